"""Wraps MONAI's U-Net, without recurrent state, as the baseline for the project's networks.

O. Ronneberger et al., MICCAI 2015, in the form of MONAI's BasicUNet (after Falk et al., 2019).
"""

from torch import Tensor, nn

from rtseg.errors import MissingExtra
from rtseg.models.network import VideoNetwork

try:
    from monai.networks.nets.basic_unet import BasicUNet
except ImportError:
    raise MissingExtra("the baseline U-Net", "train") from None

_FEATURES = (16, 16, 32, 64, 128, 16)  # channels from full size down to 1/16, and of the last decoder level


class BaselineUNet(VideoNetwork):
    """Segments each frame independently: (logits,) = network(x).

    x is (N, C, H, W) with H and W multiples of 16, logits are (N, K, H, W). channels: C of x.
    """

    def __init__(self, n_logits: int, channels: int = 1) -> None:
        super().__init__()
        self.encoder = nn.ModuleList()  # empty: no part has a separate learning rate
        self.net = BasicUNet(2, channels, n_logits, _FEATURES, act="relu", norm="batch", bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor]:
        """Return the logits of frames (N, C, H, W), without states."""
        return (self.net(x),)

    def clip(self, x: Tensor) -> Tensor:
        """Return the logits (T, N, K, H, W) of clips x (T, N, C, H, W), each frame independently."""
        logits: Tensor = self.net(x.flatten(0, 1))
        return logits.reshape(*x.shape[:2], *logits.shape[1:])

    def initial_states(self, n: int, size: tuple[int, int]) -> tuple[Tensor, ...]:  # noqa: ARG002  as RecurrentUNet has it
        """Return no states."""
        return ()
