"""Composes the network that segments what a user points at, whatever it is, and follows it from frame to frame.

The memory is that of space-time memory networks, see `memory_bank`; the last mask as an input is that of MaskTrack (F. Perazzi
et al., CVPR 2017); prompts as maps beside the picture: N. Xu et al., "Deep interactive object selection", CVPR 2016.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from rtseg.engines.tracker_states import FOLLOWED, STATE_NAMES
from rtseg.models.decoders import AddDecoder
from rtseg.models.encoders import Neck
from rtseg.models.heads import MaskHead
from rtseg.models.layers import convolution
from rtseg.models.memory_bank import MemoryBank
from rtseg.models.registry import ENCODERS

States = tuple[Tensor, ...]

PROMPT_CHANNELS = 2  # what belongs to the object, and what does not
_KEY, _VALUE = 32, 64  # channels of a memory slot
_SLOTS = 4  # recent ones
_PERIOD = 5  # frames between two writes into the recent slots
_MIN_PRESENCE = 0.6  # below it a frame is not remembered
_SMOOTHING = 0.3  # share of the presence of the frame before
_ABSENCE = 4.0  # how much an absent object lowers all logits, in units of the presence's logit
_UNUSED = 30.0  # by how much the logits of a place without an object are lowered


MASK_FAULTS = ("none", "dropped", "grown", "shrunk")  # of the last mask in training, so that the memory is relied on too
_FAULT_REACH = 9  # cells of the square by which a mask grows or shrinks


class Tracker(nn.Module):
    """Follows one object: logits, *states = network(x, *states).

    x is (N, 1, H, W), logits (N, 1, H / 2, W / 2), negative where the object is not or is lost. objects: number of objects that
    share one picture; their states are (objects, ...), and logits (1, objects + 1, H / 2, W / 2), of which the first are zeros,
    the background's. Sides are multiples of 16.

    States, see `initial_states` and `rtseg.engines.tracker_states`: the prompt, maps in 0..1 of what belongs to the object and
    what does not, which the user writes for one frame; the last mask; the pinned slot, that of the newest prompt, and whether
    it is used; the recent slots; and the presence. The picture alone makes the keys, so that objects share the encoder.
    """

    state_names: ClassVar[tuple[str, ...]] = STATE_NAMES

    state_roles: ClassVar[tuple[str, ...]] = (
        "prompt",
        "mask",
        "weights",  # the pinned slot outlives every reset, so that the object is found again
        "weights",
        "weights",
        "memory",
        "memory",
        "memory",
        "memory",
    )

    state_is_returned: ClassVar[tuple[bool, ...]] = (False, *(True,) * 8)

    def __init__(self, encoder: str = "s", *, objects: int = 1) -> None:
        super().__init__()
        self.encoder: Any = ENCODERS.build(encoder, 1)
        self.neck, self.objects = Neck(self.encoder), objects
        widths = tuple(self.encoder.widths)
        self.bank = MemoryBank(_SLOTS, _KEY, _VALUE)
        self.key = nn.Conv2d(widths[-1], _KEY, 1)
        self.value = nn.Sequential(convolution(widths[-1] + 1, _VALUE), nn.Conv2d(_VALUE, _VALUE, 1))
        self.recalled = nn.Conv2d(_VALUE, widths[-1], 1, bias=False)
        hints = PROMPT_CHANNELS + 1
        self.hints = nn.ModuleList(nn.Conv2d(hints, width, 3, padding=1, bias=False) for width in widths)
        self.decoder = AddDecoder(widths)
        self.head = MaskHead(widths, 1, self.decoder.head_kernel)
        self.presence = nn.Sequential(convolution(widths[-1], 32), nn.AdaptiveMaxPool2d(1), nn.Conv2d(32, 1, 1))

    def initial_states(self, n: int, size: tuple[int, int]) -> States:
        """Return states of zeros for n objects in (H, W) frames."""
        n, (height, width) = n * self.objects, size
        fine, coarse = (height // 2, width // 2), (height // 16, width // 16)
        shapes = [
            (PROMPT_CHANNELS, *fine),
            (1, *fine),
            (_KEY, *coarse),
            (_VALUE, *coarse),
            (1, 1, 1),  # whether the pinned slot is used: UNUSED, FOLLOWED or SOUGHT
            (_SLOTS * _KEY, *coarse),
            (_SLOTS * _VALUE, *coarse),
            (_SLOTS + 1, 1, 1),  # which recent slots are filled, and frames since the last write over _PERIOD
            (1, 1, 1),  # presence, 0..1
        ]
        return tuple(torch.zeros(n, *shape) for shape in shapes)

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of one frame and the new states, without that of the prompt, which the user writes."""
        levels: list[Tensor] = self.neck(self._encode(x))
        logits, present, after = self.step(levels, states)
        gated = logits + _ABSENCE * present.clamp(max=0)
        if self.objects == 1:
            return gated, *after
        return torch.cat([torch.zeros_like(gated[:1]), gated]).transpose(0, 1), *after

    def step(self, levels: list[Tensor], states: States) -> tuple[Tensor, Tensor, States]:
        """Return the logits and the presence's logit (N, 1, 1, 1) of one frame, and the new states without the prompt's."""
        prompt, mask, pin_key, pin_value, pinned, keys, values, recent, presence = states
        query = self.key(levels[-1])
        is_followed = (pinned == FOLLOWED).to(mask.dtype)  # else the last mask and the recent slots are another object's
        mask, recent = mask * is_followed, recent * is_followed
        filled = torch.cat([pinned.clamp(max=1), recent[:, :_SLOTS]], 1)
        recalled = self.bank.read(
            query.expand(prompt.shape[0], -1, -1, -1), torch.cat([pin_key, keys], 1), torch.cat([pin_value, values], 1), filled
        )
        logits, present = self._decode(levels, recalled, torch.cat([prompt, mask], 1))
        is_prompted = (prompt.amax((1, 2, 3), keepdim=True) > 0).to(prompt.dtype)
        used = torch.maximum(pinned.clamp(max=1), is_prompted)
        logits = logits - _UNUSED * (1 - used)
        probability = torch.sigmoid(logits + _ABSENCE * present.clamp(max=0))
        value = self._value(levels[-1], probability)
        kept = 1 - is_prompted
        turn = recent[:, _SLOTS:] + 1 / _PERIOD
        is_due = ((turn >= 1) & (torch.sigmoid(present) > _MIN_PRESENCE)).to(prompt.dtype) * used * kept
        after = (
            probability,
            is_prompted * query + kept * pin_key,
            is_prompted * value + kept * pin_value,
            used,
            self.bank.shifted(keys, query.expand_as(pin_key), is_due),
            self.bank.shifted(values, value, is_due),
            kept * torch.cat([self.bank.shifted(recent[:, :_SLOTS], is_due, is_due), turn * (1 - is_due)], 1),
            torch.sigmoid(present) * (1 - kept * _SMOOTHING) + presence * kept * _SMOOTHING,
        )
        return logits, present, after

    def clip(self, x: Tensor, prompts: Tensor, mask_faults: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the logits (T, N, 1, h, w) and the presence's logits (T, N) of clips x (T, N, 1, H, W) from zero states.

        prompts: (T, N, 2, h, w), zeros where the user says nothing. mask_faults: (T, N), what happens to the last mask before
        each frame, of MASK_FAULTS; None: nothing.
        """
        length, n = x.shape[:2]
        levels = [level.unflatten(0, (length, n)) for level in self.neck(self._encode(x.flatten(0, 1)))]
        after = self.initial_states(n, (x.shape[3], x.shape[4]))[1:]
        logits_of, present_of = list[Tensor](), list[Tensor]()
        for t in range(length):
            if mask_faults is not None:
                after = (_faulty(after[0], mask_faults[t]), *after[1:])
            logits, present, after = self.step([level[t] for level in levels], (prompts[t], *after))
            logits_of.append(logits + _ABSENCE * present.clamp(max=0))
            present_of.append(present.flatten())
        return torch.stack(logits_of), torch.stack(present_of)

    def _encode(self, x: Tensor) -> list[Tensor]:
        levels: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            levels.append(x)
        return levels

    def _decode(self, levels: list[Tensor], recalled: Tensor, hints: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the presence's logit from the levels, what the memory recalled, and prompt and last mask."""
        maps = [hints]
        while len(maps) < len(levels):
            maps.append(functional.avg_pool2d(maps[-1], 2))
        hinted = [level + hint(plane) for level, hint, plane in zip(levels, self.hints, maps, strict=True)]
        hinted[-1] = hinted[-1] + self.recalled(recalled)
        present: Tensor = self.presence(hinted[-1])
        features = self.decoder(hinted, lambda _, level: level)
        logits: Tensor = self.head(features)
        return logits, present

    def _value(self, lowest: Tensor, probability: Tensor) -> Tensor:
        """Return the value of a memory slot from the lowest level and the mask."""
        factor = probability.shape[-1] // lowest.shape[-1]
        small = functional.avg_pool2d(probability, factor)
        value: Tensor = self.value(torch.cat([lowest.expand(small.shape[0], -1, -1, -1), small], 1))
        return value


def _faulty(mask: Tensor, faults: Tensor) -> Tensor:
    """Return masks (N, 1, h, w) with a fault each, of indices (N,) into MASK_FAULTS."""
    grown, shrunk = (sign * functional.max_pool2d(sign * mask, _FAULT_REACH, 1, _FAULT_REACH // 2) for sign in (1, -1))
    kind = faults[:, None, None, None]
    return torch.where(kind == 0, mask, torch.where(kind == 1, 0 * mask, torch.where(kind == 2, grown, shrunk)))
