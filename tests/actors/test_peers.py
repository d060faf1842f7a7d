"""Who may operate a daemon, and how the kernel tells who asks."""

from __future__ import annotations

import os
import socket

import pytest

from actors.peers import Peer, peer_of

OWNER, GROUP = 1000, 2000


@pytest.mark.parametrize(
    ("peer", "may"),
    [
        (Peer(1, OWNER, 5, frozenset()), True),
        (Peer(1, 0, 0, frozenset()), True),
        (Peer(1, 1001, GROUP, frozenset()), True),
        (Peer(1, 1001, 5, frozenset({7, GROUP})), True),
        (Peer(1, 1001, 5, frozenset({7})), False),
        (Peer(1, 65534, 65534, frozenset()), False),
    ],
)
def test_root_the_owner_and_the_group_may_operate(peer: Peer, may: bool) -> None:
    assert peer.may_operate(OWNER, GROUP) is may


def test_the_kernel_tells_the_process_its_user_and_its_groups() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        peer = peer_of(ours)

    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert peer.groups == frozenset(os.getgroups())


def test_a_user_without_a_name_is_a_number() -> None:
    assert Peer(1, 0, 0, frozenset()).user == "root"
    assert Peer(1, 3_000_000_000, 0, frozenset()).user == "3000000000"
