"""Tests the reading of training configs from TOML, and the refusal of invalid ones."""

from pathlib import Path

import pytest

from rtseg.errors import ConfigError
from rtseg.train.config import NetworkConfig, read_config

SHIPPED = Path(__file__).parents[2] / "engines" / "zoo" / "carotid.toml"
LEAST = 'name = "x"\nclasses = ["lumen"]\n[data]\nfolder = "d"\nheld_out = []\n'


def written(tmp_path, text):
    path = tmp_path / "train.toml"
    path.write_text(text)
    return path


def test_the_shipped_config_holds_out_the_test_scans():
    config = read_config(SHIPPED)
    assert config.classes == config.single == ("lumen",)
    assert config.data.held_out == ("scan03", "scan06", "scan09")


def test_what_is_not_said_is_default_and_whole_numbers_may_stand_for_floats(tmp_path):
    config = read_config(written(tmp_path, LEAST + "[schedule]\nepochs = 3\n"))
    assert config.network == NetworkConfig("s", ("gru@16",), "add", ("mask",))
    assert config.size == (256, 256)
    assert (config.schedule.epochs, type(config.schedule.epochs)) == (3.0, float)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not TOML"),
        ('classes = ["a"]\n[data]\nfolder = "d"\nheld_out = []\n', "lacks 'name': add it"),
        ('name = "x"\nclasses = ["a"]\ndata = 3\n', r"\[data\] is a table of settings, not 3"),
        ("lr = 3\n" + LEAST, "has no setting 'lr': there are name, classes"),
        (LEAST + "[schedule]\nepoch = 3\n", r"\[schedule\] has no setting 'epoch': there are epochs"),
        (LEAST + '[schedule]\nepochs = "many"\n', "epochs is 'many': give a value of type float"),
        (LEAST + "[schedule]\nbatch = true\n", "batch is True: give a value of type int"),
        (LEAST + "[schedule]\nbatch = 0\n", "above 0"),
        (LEAST + "[schedule]\nepochs = 0\n", "epochs or minutes are above 0"),
        (LEAST + "[schedule]\nsparse = 1.5\n", r"sparse, stills and average lie in 0\.\.1"),
        (LEAST + "[schedule]\nstills = -0.1\n", r"sparse, stills and average lie in 0\.\.1"),
        (LEAST + "zoom = 3.0\n", r"\[data\] zoom, .* lie in 0\.\.1"),
        (LEAST + "marks = 1.1\n", r"\[data\] zoom, joined, marks, unmarked, empty and others lie in 0\.\.1"),
        (LEAST + "unmarked = -0.1\n", r"\[data\] .* lie in 0\.\.1"),
        (LEAST + "empty = nan\n", r"\[data\] .* lie in 0\.\.1"),
        (LEAST + "others = 0.5\n", "others and other_folders belong together"),
        (LEAST + 'other_folders = ["d"]\n', "others and other_folders belong together"),
        (LEAST + '[network]\nsize = "XXL"\n', r"\[network\] encoder is 'xxl': there are s, m, lite0"),
        (LEAST + '[network]\nsize = "UNet"\n', "give gru or lstm, or none for UNet alone"),
        (
            LEAST + '[network]\nencoder = "Lite0"\n',
            r"\[network\] encoder is 'Lite0': perhaps 'lite0' is meant; there are s",
        ),
        (LEAST + '[network]\nmemory = ["gru"]\n', r"\[network\] memory is 'gru': name the stride of its level too"),
        (LEAST + '[network]\nmemory = "gru@16"\n', "memory is 'gru@16': give a list"),
        (LEAST + '[network]\ndecoder = "fpn"\n', r"\[network\] decoder is 'fpn': there are add, unet"),
        (LEAST + '[network]\nheads = ["boundary"]\n', r"heads are \('boundary',\): give 'mask', and others once each"),
        (LEAST + '[network]\nheads = ["mask", "mask"]\n', "give 'mask', and others once each"),
        (LEAST + '[network]\nheads = ["mask", "edge"]\n', "head is 'edge': there are mask, boundary, deep"),
        (LEAST + "[loss]\nheads = -1\n", r"\[loss\] .* are 0 or more, and finite"),
        (LEAST + "[loss]\ntversky = 1.5\n", r"\[loss\] tversky lies in 0\.\.1"),
        (LEAST + "[loss]\nfocal = 0.5\n", r"\[loss\] .* focal is 0, or 1 or more and finite"),
        (LEAST + "[network]\ndropout = 1.0\n", r"dropout lies in 0\.\.1"),
        ("size = [250, 256]\n" + LEAST, "give multiples of 16"),
        ("size = [240, 256]\n" + LEAST + '[network]\nsize = "Lite0"\ndeep = true\n', "give multiples of 32"),
        ("size = [256]\n" + LEAST, r"size is \[256\]: give a list of 2"),
        ('size = "256"\n' + LEAST, "size is '256': give a list"),
        ("mean = [1, 2, 3]\nstd = [1, 2, 3]\n" + LEAST, "the networks see grey"),
        ('planes = ["gray", "phase_symmetry"]\n' + LEAST, "mean and std hold 2 values: one for each plane"),
        (
            'mean = [1, 2]\nstd = [1, 2]\nplanes = ["gray", "gray"]\n' + LEAST,
            "planes are .*: give some of gray, phase_symmetry",
        ),
        ('planes = ["edges"]\n' + LEAST, "planes are .*: give some of gray, phase_symmetry"),
        (
            'mean = [1, 2]\nstd = [1, 2]\nplanes = ["gray", "phase_symmetry"]\n'
            + LEAST
            + '[network]\nsize = "Lite0"\nimagenet = true\n',
            "imagenet is for gray alone",
        ),
        (LEAST.replace('["lumen"]', "[1]"), "classes is 1: give a value of type str"),
        (LEAST.replace('["lumen"]', "[]"), "classes are"),
        (LEAST.replace('["lumen"]', '["a", "a"]'), "classes is .*: give each a name of its own"),
        (LEAST.replace('["lumen"]', '["a", " "]'), "classes are .*: name each"),
        (LEAST.replace('"x"', '" "'), "name is ' ': name the model"),
        ('single = ["plaque"]\n' + LEAST, "single is .*: name some of the classes"),
        ('ellipse = ["plaque"]\n' + LEAST, "ellipse is .*: name some of the classes"),
        ("size = [8192, 256]\n" + LEAST, "size is .*: give sides that a model may have"),
        ("std = [0]\n" + LEAST, "std is .*: give a number above 0"),
        ("std = [-3]\n" + LEAST, "std is .*: give a number above 0"),
        ("std = [inf]\n" + LEAST, "std .*: give finite numbers"),
        ("mean = [nan]\n" + LEAST, "mean is .*: give finite numbers"),
        (LEAST + "[schedule]\nepochs = nan\n", "epochs and minutes are 0 or more, and finite"),
        (LEAST + "[schedule]\nepochs = inf\n", "epochs and minutes are 0 or more, and finite"),
        (LEAST + f"[schedule]\nepochs = 1{'0' * 400}\n", "epochs and minutes are 0 or more, and finite"),
        (LEAST + f"[schedule]\nepochs = 1{'0' * 5000}\n", "is not TOML"),
        (LEAST + "[schedule]\nminutes = -1\n", "epochs and minutes are 0 or more, and finite"),
        (LEAST + "[schedule]\nminutes = nan\n", "epochs and minutes are 0 or more, and finite"),
        (LEAST + "[schedule]\nlearning_rate = nan\n", "learning_rate is above 0, and finite"),
        (LEAST + "[schedule]\nweight_decay = -1e-3\n", "weight_decay is 0 or more"),
        (LEAST + "[schedule]\nclip_gradient = 0\n", "clip_gradient is above 0: give inf to clip nothing"),
        (LEAST + "[schedule]\nclip_gradient = nan\n", "clip_gradient is above 0"),
        (LEAST + "[schedule]\nseed = -1\n", "seed is 0 or more"),
        (LEAST + f"[schedule]\nseed = {2**63}\n", r"below 2\*\*63"),
        (LEAST + "[network]\nencoder_rate = nan\n", "encoder_rate is above 0 and finite"),
        (LEAST + "[loss]\nboundary = nan\n", r"\[loss\] .* are 0 or more, and finite"),
        (LEAST + "[loss]\ndice = -1\n", r"\[loss\] .* are 0 or more, and finite"),
        (LEAST + "[loss]\ndice = 0\ncross_entropy = 0\nsteadiness = 0\n", "are all 0: give one more than that"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        read_config(written(tmp_path, text))


def test_what_is_unusual_and_sound(tmp_path):
    """Accept a byte order mark, no weight decay, no gradient clipping, and a duration in minutes only."""
    path = tmp_path / "train.toml"
    path.write_text(
        LEAST + "[schedule]\nepochs = 0\nminutes = 1\nweight_decay = 0\nclip_gradient = inf\n", encoding="utf-8-sig"
    )
    assert read_config(path).schedule.minutes == 1


def test_a_config_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml cannot be read .*: name a training's \.toml"):
        read_config(tmp_path / "none.toml")
