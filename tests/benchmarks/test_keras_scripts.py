"""benchmarks/keras_scripts.py: what scripts use of Keras and minicnn lacks."""

import json

import pytest

from benchmarks import keras_scripts

SCRIPTS = {
    "from keras.layers import Dense, LSTM": set(),
    "from keras.layers import LSTM\nLSTM(3)": {"keras.layers.LSTM"},
    "from keras.layers import Conv2D\nConv2D(nb_filter=3, nb_row=3, nb_col=3, border_mode='same', frob=3)":
        {"Conv2D(frob=)"},
    "from keras.optimizers import SGD\nSGD(lr=0.1, decay=1e-6, momentum=0.9, nesterov=True)": set(),
    "from keras.models import Sequential\nmodel.fit(x, y, nb_epoch=3, workers=2, zing=2)": {"Model.fit(zing=)"},
    "from keras.models import Sequential\nmodel.fit_generator(x, samples_per_epoch=3, pickle_safe=True)": set(),
    "from keras.models import Sequential\nmodel.to_yaml()": {"Model.to_yaml"},
    "from keras.models import Sequential\nforest.fit(x, y, zing=2)": set(),
    "import keras\nmodel.compile('adam', loss='zork', metrics=['accuracy', 'zork'])": {"loss='zork'", "metrics='zork'"},
    "import keras\nmodel.save('m.h5')\nmodel.save('m.pb')\nfigure.save('m.png')": {"save: a file that ends in .pb"},
    "from keras.callbacks import ModelCheckpoint\nModelCheckpoint('w-{epoch}.hdf5', period=2)": set(),
    "import tensorflow as tf\ntf.random.set_seed(3)\ntf.data.Dataset": set(),
    "import tensorflow as tf\ntf.train.Checkpoint": {"tf.train"},
    "import numpy": None,
}  # fmt: skip


@pytest.mark.parametrize("source", SCRIPTS)
def test_lacks(source):
    assert keras_scripts.lacks(source) == SCRIPTS[source]


def test_a_folder(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.py").write_text("from keras.layers import LSTM\nLSTM(3)\n")
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "from keras.layers import Dense\n"]},
             {"cell_type": "markdown", "source": "from keras.layers import LSTM"}]  # fmt: skip
    (tmp_path / "b.ipynb").write_text(json.dumps({"cells": cells}))
    (tmp_path / "c.py").write_text("print 'x'\n")
    assert keras_scripts.main([str(tmp_path), "--files"]) == 0
    out = capsys.readouterr().out
    assert "2 scripts use Keras (1 more are no Python 3)" in out
    assert "1 of them (50 %) need nothing that is missing" in out
    assert "in/a.py: keras.layers.LSTM" in out
    assert "      1      1  keras.layers.LSTM" in out
    assert keras_scripts.main([str(tmp_path / "none")]) == 2
