"""Writes the fixtures of Keras and TFLite beside this file. It runs by hand, in an environment of its own:

python3 -m venv venv-keras && venv-keras/bin/pip install tensorflow-cpu tf2onnx
venv-keras/bin/python tests/engines/adopt/make_keras_fixtures.py

A network is a small U-Net in NHWC, of random weights around a smoothing that finds bright blobs. `answers.npz` holds the labels
that Keras itself gives for the pictures in `pictures.npy`, (6, 48, 64, 1) in 0..1.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf
import tf2onnx
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

FOLDER = Path(__file__).parent / "keras"
SIZE = (48, 64)


def pictures() -> np.ndarray:
    """Return pictures of bright and dark blobs."""
    found = []
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] / SIZE[0]
    for index in range(6):
        image = 0.35 + 0.15 * np.sin(7 * y + index) * np.cos(6 * x)
        for place, level in enumerate((0.95, 0.02, 0.7)):
            inside = (y - 0.3 - 0.2 * place) ** 2 + (x - 0.3 - 0.35 * place - 0.05 * index) ** 2 < 0.02
            image = np.where(inside, level, image)
        found.append(np.rint(255 * image.clip(0, 1)) / 255)
    return np.stack(found)[..., None].astype(np.float32)


def network(outputs: int, activation: str) -> tf.keras.Model:
    """Return a Keras network in NHWC that ends in an activation."""
    layers = tf.keras.layers
    image = layers.Input((*SIZE, 1), batch_size=1)
    first = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    down = layers.MaxPooling2D()(first)
    deep = layers.Conv2D(8, 3, padding="same", activation="relu")(down)
    up = layers.UpSampling2D(interpolation="bilinear")(deep)
    mixed = layers.Concatenate()([first, up])
    logits = layers.Conv2D(outputs, 1)(mixed)
    model = tf.keras.Model(image, layers.Activation(activation)(logits))
    rng = np.random.default_rng(outputs)
    weights = [0.05 * rng.standard_normal(one.shape) for one in model.get_weights()]
    weights[0] += 1 / 9
    weights[2][1, 1] += 0.25
    gains = np.array({1: [5.0], 3: [0.0, 5.0, -5.0]}[outputs])
    weights[4] += gains / 4
    weights[5] = np.array({1: [-6.5], 3: [0.0, -6.5, 1.5]}[outputs])
    model.set_weights(weights)
    return model


def main() -> None:
    """Write the fixtures."""
    FOLDER.mkdir(exist_ok=True)
    images, answers = pictures(), {}
    np.save(FOLDER / "pictures.npy", np.rint(255 * images[..., 0]).astype(np.uint8))
    for name, outputs, activation in (("sigmoid", 1, "sigmoid"), ("softmax", 3, "softmax"), ("linear", 3, "linear")):
        model = network(outputs, activation)
        values = np.concatenate([model(image[None]).numpy() for image in images])
        middle = 0.5 if activation == "sigmoid" else 0.0
        answers[name] = (values[..., 0] > middle if outputs == 1 else values.argmax(-1)).astype(np.uint8)
        function = tf.function(
            lambda x, model=model: model(x), input_signature=[tf.TensorSpec((1, *SIZE, 1), tf.float32, "image")]
        )
        tf2onnx.convert.from_function(function, function.input_signature, opset=17, output_path=str(FOLDER / f"{name}.onnx"))
        frozen = convert_variables_to_constants_v2(function.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
        (FOLDER / f"{name}.tflite").write_bytes(converter.convert())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
    (FOLDER / "linear-float16.tflite").write_bytes(converter.convert())
    np.savez_compressed(FOLDER / "answers.npz", **answers)


if __name__ == "__main__":
    main()
