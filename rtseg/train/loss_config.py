"""Holds the weights of a training's losses and its teacher, as its configuration states them."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LossConfig:
    """Holds the weights of the parts of the loss."""

    dice: float = 1.0  # weight of the Dice loss
    cross_entropy: float = 1.0  # weight of the cross entropy
    boundary: float = 4.0  # additional weight of border pixels in the cross entropy
    steadiness: float = 1.0  # weight of the flicker loss
    heads: float = 1.0  # weight of the losses of the heads beside the mask's
    tversky: float = 0.5  # weight of false pixels against missed ones in the Dice loss; 0.5: equal, below: misses cost more
    surface: float = 0.0  # weight of the distance of wrong pixels from the border, of 100 pixels
    focal: float = 0.0  # exponent by which the cross entropy of easy pixels counts less; 0: all count the same


@dataclass(frozen=True, slots=True)
class TeacherConfig:
    """Holds the networks whose mean answer is a soft target."""

    models: tuple[str, ...] = ()  # .onnx files or names of shipped models, of the same classes and size; empty: no teacher
    weight: float = 1.0  # weight of the cross entropy with the soft target


def loss_problem(loss: LossConfig) -> str:
    """Return a description of the first invalid setting, or an empty string."""
    weights = loss.dice, loss.cross_entropy, loss.steadiness
    if not all(0 <= weight < math.inf for weight in (*weights, loss.boundary, loss.heads, loss.surface)):
        return "[loss] dice, cross_entropy, boundary, surface, steadiness and heads are 0 or more, and finite"
    if not (0 <= loss.tversky <= 1 and (loss.focal == 0 or 1 <= loss.focal < math.inf)):  # below 1, gradients are infinite
        return "[loss] tversky lies in 0..1, and focal is 0, or 1 or more and finite"
    return "" if any(weights) else "[loss] dice, cross_entropy and steadiness are all 0: give one more than that"


def teacher_problem(teacher: TeacherConfig) -> str:
    """Return a description of the first invalid setting, or an empty string."""
    if not 0 <= teacher.weight < math.inf:
        return "[teacher] weight is 0 or more, and finite"
    return "" if all(name.strip() for name in teacher.models) else "[teacher] models hold an empty name: give files or names"
