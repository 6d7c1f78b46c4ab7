"""Corrupt images (H, W) uint8 as a scanner or a hand on the probe does."""

import cv2
import numpy as np


def dimmed(image, factor=0.4):
    return np.clip(image * factor, 0, 255).astype(np.uint8)


def blurred(image, sigma=1.0):
    """Blur slightly; a strongly blurred small image hardly changes between frames, and counts as held."""
    return cv2.GaussianBlur(image, (0, 0), sigma)


def noisy(image, levels=25.0):
    rng = np.random.default_rng(0)
    return np.clip(image + levels * rng.standard_normal(image.shape), 0, 255).astype(np.uint8)


def shadowed(image, left=0.4, right=0.6):
    """Darken the columns from `left` to `right`, shares of the width, below a fifth of the depth."""
    dark = image.copy()
    height, width = image.shape
    dark[height // 5 :, round(left * width) : round(right * width)] //= 10
    return dark


WAYS = {"another gain": dimmed, "blur": blurred, "noise": noisy, "a shadow or lost contact": shadowed}
