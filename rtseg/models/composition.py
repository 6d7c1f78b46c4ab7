"""Composes a video segmentation network of an encoder, memories, a decoder and heads, which are named in registries."""

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rtseg.errors import ConfigError
from rtseg.models.encoders import Neck, PictureEncoder
from rtseg.models.memories import CellMemory, States
from rtseg.models.registry import DECODERS, ENCODERS, HEADS, MEMORIES

MASK = "mask"  # name of the head whose logits a network returns
NO_MEMORY = "none"


class MemoryPlace(NamedTuple):
    """Names a memory and the level at which it works."""

    name: str
    stride: int  # of the level; 0 for a memory of the mask

    @property
    def key(self) -> str:
        """Return its name in the network's weights."""
        return str(self.stride or self.name)


class Composition(nn.Module):
    """Segments video: logits, *states = network(x, *states).

    x is (N, C, H, W), logits are (N, K, H / s, W / s) with the stride s of the encoder's first level; H and W are multiples of
    the stride of its last one. encoder, memory, decoder, heads: names in the registries; a recurrent cell is named with the
    stride of its level, as "gru@16". deep: add the encoder's deep level. dropout: share of the lowest level's channels dropped
    in training. frozen: number of the encoder's levels that do not learn. channels: C of x. Raises ConfigError.
    """

    def __init__(
        self,
        n_logits: int,
        encoder: str = "s",
        memory: Sequence[str] = ("gru@16",),
        decoder: str = "add",
        heads: Sequence[str] = (MASK,),
        *,
        deep: bool = False,
        dropout: float = 0.0,
        frozen: int = 0,
        channels: int = 1,
    ) -> None:
        super().__init__()
        self.encoder: PictureEncoder = ENCODERS.build(encoder, channels, **({"deep": True} if deep else {}))
        self.strides, widths = level_strides(encoder), tuple(self.encoder.widths)
        self.neck = Neck(self.encoder, deep=deep, dropout=dropout)
        self.memory = nn.ModuleDict({one.key: self._memory(one, n_logits) for one in memory_places(memory, encoder)})
        self.decoder = DECODERS.build(decoder, widths)
        kernel = getattr(self.decoder, "head_kernel", 1)
        self.heads = nn.ModuleDict({name: HEADS.build(name, widths, n_logits, kernel) for name in heads})
        self.frozen = list(self.encoder)[:frozen]
        for level in self.frozen:
            level.requires_grad_(False)

    def _memory(self, place: MemoryPlace, n_logits: int) -> nn.Module:
        if not place.stride:
            memory: nn.Module = MEMORIES.build(place.name, n_logits, self.encoder.features[0])
            return memory
        width, lowest = self.encoder.widths[self.strides.index(place.stride)], self.strides[-1]
        return CellMemory(lambda channels: MEMORIES.build(place.name, channels), width, slim=place.stride != lowest)

    def train(self, mode: bool = True) -> "Composition":
        """Set the mode of training; frozen levels keep their statistics in either."""
        super().train(mode)
        for level in self.frozen:
            level.eval()
        return self

    def forward(self, x: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of one frame and the new states."""
        logits, _, states = self._run(x, states, 1)
        return logits, *states

    def clip(self, x: Tensor) -> Tensor:
        """Return the logits (T, N, K, h, w) of clips x (T, N, C, H, W) from the initial states."""
        return self.clip_features(x)[0]

    def clip_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the logits (T, N, K, h, w) and the features (T * N, C, h, w) of each level, for the auxiliary heads.

        Only recurrent cells run frame by frame, unless the last mask is an input.
        """
        states, length = self.initial_states(x.shape[1], (x.shape[3], x.shape[4])), x.shape[0]
        if not self._mask_memories:
            logits, features, _ = self._run(x.flatten(0, 1), states, length)
            return logits.reshape(*x.shape[:2], *logits.shape[1:]), features
        logits_of, features_of = list[Tensor](), list[list[Tensor]]()
        for frame in x:
            logits, features, states = self._run(frame, states, 1)
            logits_of.append(logits)
            features_of.append(features)
        return torch.stack(logits_of), [torch.cat(level) for level in zip(*features_of, strict=True)]

    def auxiliary_loss(self, features: list[Tensor], truth: Tensor) -> Tensor:
        """Return the sum of the losses of the heads beside the mask's. truth: (T * N, K, H, W) in [0, 1]."""
        heads: dict[str, Any] = dict(self.heads.items())
        losses = [head.loss(head(features), truth) for name, head in heads.items() if name != MASK]
        return torch.stack(losses).sum() if losses else torch.zeros(())

    def initial_states(self, n: int, size: tuple[int, int]) -> States:
        """Return states of zeros for n clips of (H, W) frames: those of the lowest level first, and of the mask last."""
        states: list[Tensor] = []
        for key, memory in self._memories.items():
            stride = int(key) if key.isdigit() else self.strides[0]
            states += memory.initial_states(n, size[0] // stride, size[1] // stride)
        return tuple(states)

    @property
    def state_roles(self) -> tuple[str, ...]:
        """Return the role of each of `initial_states`: "mask" for the last mask, else "memory"."""
        roles = {key: "memory" if key.isdigit() else "mask" for key in self.memory}
        return tuple(roles[key] for key, memory in self._memories.items() for _ in range(memory.n_states))

    def encode(self, x: Tensor, masks: dict[str, States]) -> list[Tensor]:
        """Return the levels of pictures (N, C, H, W), the finest first. masks: the states of the mask's memories."""
        levels: list[Tensor] = []
        for level in self.encoder:
            x = level(x)
            if not levels:
                for key, states in masks.items():
                    x = self.memory[key](x, *states)
            levels.append(x)
        merged: list[Tensor] = self.neck(levels)
        return merged

    def _run(self, x: Tensor, states: States, length: int) -> tuple[Tensor, list[Tensor], States]:
        """Return the logits and features of frames x (T * N, C, H, W), ordered by time, and the states after the last."""
        states_of = self._by_memory(states)
        levels = self.encode(x, {key: states_of[key] for key in self._mask_memories})

        def recall(place: int, level: Tensor) -> Tensor:
            key = str(self.strides[place])
            if key in self.memory:
                level, states_of[key] = self.memory[key](level, states_of[key], length)
            return level

        features: list[Tensor] = self.decoder(levels, recall)
        logits: Tensor = self.heads[MASK](features)
        for key in self._mask_memories:
            states_of[key] = self._memories[key].remember(logits)
        return logits, features, tuple(state for key in self.memory for state in states_of[key])

    def _by_memory(self, states: States) -> dict[str, States]:
        """Return the states of each memory by its key."""
        remaining = iter(states)
        return {key: tuple(islice(remaining, memory.n_states)) for key, memory in self._memories.items()}

    @property
    def _memories(self) -> dict[str, Any]:
        return dict(self.memory.items())

    @property
    def _mask_memories(self) -> list[str]:
        return [key for key in self.memory if not key.isdigit()]


def level_strides(encoder: str) -> tuple[int, ...]:
    """Return the strides of an encoder's levels, without a deep one, the finest first. Raises ConfigError."""
    kind = ENCODERS.find(encoder)
    return tuple(getattr(kind, "stride", 2) << place for place in range(len(kind.features)))


def memory_places(memory: Iterable[str], encoder: str) -> list[MemoryPlace]:
    """Return the memories of a list such as ["gru@16", "mask"], those of the lowest levels first. Raises ConfigError."""
    strides = level_strides(encoder)
    places = [_memory_place(text, strides) for text in memory if text != NO_MEMORY]
    if len({place.key for place in places}) < len(places):
        raise ConfigError(f"memory is {', '.join(memory)}: give each level one memory")
    return sorted(places, key=lambda place: -place.stride)


def _memory_place(text: str, strides: tuple[int, ...]) -> MemoryPlace:
    name, at, stride = text.partition("@")
    if getattr(MEMORIES.find(name), "of_mask", False):
        if at:
            raise ConfigError(f"memory is {text!r}: {name!r} has no level, write it alone")
        return MemoryPlace(name, 0)
    if stride not in map(str, strides):
        levels = ", ".join(f"{name}@{one}" for one in strides)
        raise ConfigError(f"memory is {text!r}: name the stride of its level too, one of {levels}")
    return MemoryPlace(name, int(stride))
