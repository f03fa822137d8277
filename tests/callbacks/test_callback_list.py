import pytest

from minicnn.callbacks import Callback, CallbackList, History, LambdaCallback, ProgressBar
from minicnn.errors import ArgumentTypeError, MinicnnError

from .fake_model import FakeModel, play


class Recorder(Callback):
    def __init__(self, calls):
        super().__init__()
        self.calls = calls
        for hook in (name for name in vars(Callback) if name.startswith("on_") and name not in HIDDEN):
            setattr(self, hook, lambda *args, hook=hook, **kwargs: self.calls.append((hook, *args)))


HIDDEN = ("on_batch_begin", "on_batch_end")


def test_every_hook_reaches_a_callback():
    calls = []
    listed = CallbackList(Recorder(calls))
    for hook in (name for name in vars(Callback) if name.startswith("on_") and name not in HIDDEN):
        args = (7,) if "batch" in hook or "epoch" in hook else ()
        getattr(listed, hook)(*args, {"loss": 1.0})
        assert calls.pop()[: 1 + len(args)] == (hook, *args)
    assert calls == []


def test_the_old_batch_hooks_still_work():
    class Old(Callback):
        def on_batch_begin(self, batch, logs=None):
            seen.append(("begin", batch))

        def on_batch_end(self, batch, logs=None):
            seen.append(("end", batch, logs))

    seen = []
    listed = CallbackList([Old()])
    listed.on_train_batch_begin(3)
    listed.on_train_batch_end(3, {"loss": 0.5})
    assert seen == [("begin", 3), ("end", 3, {"loss": 0.5})]


def test_order_is_as_given_then_history_then_bar():
    first, second = Callback(), Callback()
    listed = CallbackList([first, (second,)], FakeModel(), {"verbose": 0}, add_history=True, add_progbar=True)
    assert listed.callbacks == [first, second, listed.history, listed.progress]
    assert isinstance(listed.history, History)
    assert isinstance(listed.progress, ProgressBar)
    assert first.params == {"verbose": 0}
    assert first.model is listed.model


def test_a_history_of_your_own_is_not_doubled():
    mine = History()
    listed = CallbackList([mine], add_history=True)
    assert listed.history is mine
    assert listed.callbacks == [mine]


def test_a_key_added_at_epoch_end_reaches_the_history():
    history = History()
    add = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(f1=epoch / 2))
    play([add, history], [{"loss": 1.0}, {"loss": 0.5}])
    assert history.history == {"loss": [1.0, 0.5], "f1": [0.0, 0.5]}


def test_batch_logs_are_computed_once_and_only_for_readers():
    def logs():
        computed.append(1)
        return {"loss": 1.0}

    computed, seen = [], []
    quiet = CallbackList([Callback(), ProgressBar(0)], FakeModel(), {"verbose": 0})
    quiet.on_train_batch_end(0, logs)
    assert computed == []
    assert quiet.wants_batch_logs is False
    readers = [LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs)) for _ in range(2)]
    loud = CallbackList(readers, FakeModel())
    assert loud.wants_batch_logs is True
    loud.on_train_batch_end(0, logs)
    assert computed == [1]
    assert seen == [{"loss": 1.0}, {"loss": 1.0}]
    assert seen[0] is seen[1]


def test_logs_for_an_async_safe_callback_are_computed_when_it_reads_them():
    class Safe(Callback):
        async_safe = True

        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["loss"] if batch == 1 else None)
            kept.append(logs)

    def logs():
        computed.append(1)
        return {"loss": 1.5, "accuracy": 0.5}

    computed, seen, kept = [], [], []
    listed = CallbackList([Safe(), Safe()], FakeModel())
    assert listed.wants_batch_logs is listed.acts_on_batches is False
    listed.on_train_batch_end(0, logs)
    assert computed == []
    listed.on_train_batch_end(1, logs)
    assert computed == [1], "once for both"
    assert seen == [None, None, 1.5, 1.5]
    assert dict(kept[-1]) == logs(), "what has been read stays"
    assert len(kept[-1]) == 2
    with pytest.raises(MinicnnError) as caught:
        kept[0].get("loss")
    assert str(caught.value) == (
        "logs: expected to be read inside the hook, received a look at a later batch; dict(logs) there keeps them"
    )
    listed = CallbackList([Safe(), LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs))])
    assert listed.wants_batch_logs is listed.acts_on_batches is True
    listed.on_train_batch_end(0, logs)
    assert seen[-1] == {"loss": 1.5, "accuracy": 0.5}
    assert type(seen[-1]) is dict


def test_a_class_is_told_to_be_an_instance():
    with pytest.raises(ArgumentTypeError) as caught:
        CallbackList([History])
    assert str(caught.value) == (
        "callbacks: expected Callback instances, received the class History; write History() to make one"
    )
    with pytest.raises(TypeError, match=r"received <function .*; subclass minicnn\.callbacks\.Callback"):
        CallbackList([lambda: None])


def test_close_reaches_those_that_hold_something():
    class Holder(Callback):
        closed = 0

        def close(self):
            self.closed += 1

    holder = Holder()
    listed = CallbackList([Callback(), holder])
    listed.close()
    listed.close()
    assert holder.closed == 2
