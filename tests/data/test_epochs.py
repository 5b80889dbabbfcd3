"""Epochs that are made ahead."""

import threading

from urep_jax.data.epochs import OneAhead


def test_the_next_epoch_is_made_while_one_is_used() -> None:
    made: list[int] = []
    ahead = threading.Event()

    def make(epoch: int) -> int:
        made.append(epoch)
        if epoch == 1:
            ahead.set()
        return 10 * epoch

    epochs = OneAhead(make)
    assert epochs[0] == 0
    assert ahead.wait(30), "nobody asked for it"
    assert [epochs[0], epochs[1], epochs[2], epochs[2]] == [0, 10, 20, 20]
    assert epochs[7] == 70, "a training may go on anywhere"
    assert epochs[1] == 10
    assert all(made.count(epoch) <= 2 for epoch in made), "each once while it is held"


def test_whoever_waits_for_an_epoch_gets_it() -> None:
    go_on = threading.Event()
    found: list[int] = []

    def make(epoch: int) -> int:
        assert go_on.wait(30)
        return epoch

    epochs = OneAhead(make)
    threads = [threading.Thread(target=lambda n=n: found.append(epochs[n])) for n in (4, 0, 9)]
    for thread in threads:
        thread.start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 4, 9]
