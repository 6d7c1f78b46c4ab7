"""Holds the networks as they were before they were composed of named parts: the reference for checkpoints of that time."""

import torch
from monai.networks.nets.basic_unet import BasicUNet
from torch import nn
from torch.nn import functional

from rtseg.models.cells import ConvGRU, ConvLSTM
from rtseg.models.lite_encoder import Lite0Encoder

CELLS = {"gru": ConvGRU, "lstm": ConvLSTM}
WIDTHS = {"S": (16, 32, 64, 128), "M": (32, 64, 96, 192), "Lite0": (16, 32, 64, 112)}


class EarlierRecurrentUNet(nn.Module):
    def __init__(self, n_logits, size="S", cell="gru", scales=1, deep=False, dropout=0.0, channels=1):
        super().__init__()
        widths, lite = WIDTHS[size], size == "Lite0"
        self.encoder = Lite0Encoder(channels, deep) if lite else _encoder(widths, channels)
        self.shortcuts = nn.ModuleList(map(_shortcut, (16, 24, 40, 112) if lite else widths, widths[:-1]))
        self.memory_channels = widths[-2]
        self.bridge = _convolution(widths[-1], self.memory_channels)
        self.context = _shortcut(192, self.memory_channels) if deep else None
        self.dropped = nn.Dropout2d(dropout)
        self.memory = CELLS[cell](self.memory_channels)
        self.fine = SlimMemory(widths[1], cell) if scales == 2 else None
        self.decoder = nn.ModuleList(
            nn.Sequential(_convolution(width, width), _convolution(width, after))
            for width, after in zip(widths[-2:0:-1], widths[-3::-1], strict=True)
        )
        self.last = _convolution(widths[0], widths[0])[:2]
        self.head = nn.Conv2d(widths[0], n_logits, 3, padding=1)

    def forward(self, x, *states):
        features = []
        for level in self.encoder:
            x = level(x)
            features.append(x)
        border, middle, coarse = (shortcut(feature) for shortcut, feature in zip(self.shortcuts, features, strict=False))
        bottom = self.bridge(features[3])
        bottom = self.dropped(bottom + _upsample(self.context(x)) if self.context else bottom)
        kept = self.memory(bottom, *states[: self.memory.n_states])
        x = self.decoder[0](_upsample(bottom + kept[0]) + coarse)
        x = _upsample(x) + middle
        if self.fine:
            fine = self.fine.cell(self.fine.inward(x), *states[self.memory.n_states :])
            x, kept = x + self.fine.outward(fine[0]), kept + fine
        x = self.last(_upsample(self.decoder[1](x)) + border)
        return self.head(x), *kept


class SlimMemory(nn.Module):
    def __init__(self, width, cell):
        super().__init__()
        self.inward = nn.Conv2d(width, width // 2, 1)
        self.cell = CELLS[cell](width // 2)
        self.outward = nn.Conv2d(width // 2, width, 1, bias=False)
        nn.init.uniform_(self.outward.weight, -0.02, 0.02)


class EarlierBaseline(nn.Module):
    def __init__(self, n_logits, channels=1):
        super().__init__()
        self.encoder = nn.ModuleList()
        self.net = BasicUNet(2, channels, n_logits, (16, 16, 32, 64, 128, 16), act="relu", norm="batch", bias=False)

    def forward(self, x):
        return (self.net(x),)


def lively(network):
    """Give BatchNorms statistics and weights other than 0 and 1, so that a lost one changes the output."""
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.1)
    return network


def _upsample(x):
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")


def _encoder(widths, channels):
    return nn.ModuleList(
        nn.Sequential(_convolution(before, width, stride=2), _convolution(width, width))
        for before, width in zip((channels, *widths), widths, strict=False)
    )


def _shortcut(before, after):
    if before == after:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after))


def _convolution(before, after, stride=1):
    return nn.Sequential(
        nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(inplace=True)
    )
