"""Addresses of a PACS are read as they were typed; what holds a password is refused and not repeated."""

import pytest

from segkit.config.addresses import Address, address_from, is_address
from segkit.config.checks import check_inputs
from segkit.config.compose import composed_yaml, configure
from segkit.foundation.errors import UsageError

STUDY, SERIES = "1.2.840.99", "1.2.840.99.7"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("dicomweb://localhost:8042/dicom-web", Address("http://localhost:8042/dicom-web")),
        ("dicomweb://localhost:8042/dicom-web/", Address("http://localhost:8042/dicom-web")),
        ("dicomweb://localhost:8042/dicom-web/studies", Address("http://localhost:8042/dicom-web")),
        (f"dicomwebs://pacs/rs/studies/{STUDY}", Address("https://pacs/rs", STUDY)),
        (f"dicomwebs://pacs/studies/{STUDY}/series/{SERIES}/", Address("https://pacs", STUDY, SERIES)),
        (f"dicomweb://[::1]:8042/studies/{STUDY}", Address("http://[::1]:8042", STUDY)),
        (f"dicomwebs://pacs/a/studies/b/studies/{STUDY}", Address("https://pacs/a/studies/b", STUDY)),
    ],
)
def test_an_address_by_hand(text, address):
    assert is_address(text)
    assert address_from(text, "input") == address


@pytest.mark.parametrize(
    "text",
    [
        "dicomweb://", "dicomweb:///dicom-web", "https://pacs/dicom-web/studies/1", "dicomweb://pacs:port/x",
        "dicomweb://pacs/dicom-web/studies/abc", "dicomweb://pacs/dicom-web/studies/1/series/x",
        "dicomweb://pacs/dicom-web/studies/..", "dicomweb://pacs/dicom-web/studies/1../series/2",
        "dicomweb://pacs/dicom-web/studies/1/instances/2", "dicomweb://pacs/dicom-web?token=secret",
        "dicomweb://pacs/dicom-web#secret", "dicomweb://me:secret@pacs/dicom-web", "dicomweb://secret@pacs/x",
        "dicomweb://me:sec/ret@pacs/dicom-web", "ftp://me:secret@pacs/x", "dicomweb://[::1/x",
    ],
)  # fmt: skip
def test_what_is_none_is_refused_without_repeating_it(text):
    with pytest.raises(UsageError, match=r"^input: ") as refused:
        address_from(text, "input")
    assert "secret" not in str(refused.value)
    assert "ret@" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "is_private"),
    [
        ("dicomweb://localhost:8042/x", True), ("dicomweb://127.0.0.1/x", True), ("dicomweb://[::1]:1/x", True),
        ("dicomwebs://pacs/x", True), ("dicomweb://pacs/x", False), ("dicomweb://10.0.0.7:8042/x", False),
        ("dicomweb://localhost.example.org/x", False), ("dicomweb://127.0.0.1.example.org/x", False),
    ],
)  # fmt: skip
def test_only_tls_and_this_machine_are_private(text, is_private):
    assert address_from(text, "input").is_private == is_private


def configured(*words):
    return configure("predict", ["run=R", *words])


def test_the_command_takes_addresses_as_they_are():
    source, sink = f"dicomweb://localhost:8042/dicom-web/studies/{STUDY}", "dicomwebs://pacs/dicom-web"
    config = configured(f"input={source}", f"output={sink}")
    assert (config.input, config.output) == (source, sink)
    assert source in composed_yaml("predict", ["run=R", f"input={source}"])
    config.run = []
    check_inputs(config)  # there is no such file, and none is looked for


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["input=dicomweb://me:secret@pacs/studies/1", "output=O"], "input: an address holds no user"),
        (["input=dicomweb://pacs/dicom-web", "output=O"], "input: names no study"),
        (["input=I", "output=dicomweb://pacs/studies/1/series/2"], "output: "),
        (["input=dicomweb://pacs/studies/1", "output=O", "shard=1/2"], "shard"),
        (["input=dicomweb://pacs/studies/1", "output=O", "launcher=ray"], "leave out launcher"),
        (["input=I", "output=O", "shard=1/2", "launcher=ray"], "shard and launcher are both set"),
        (["input=dicomweb://pacs/studies/1", "output=O", "pacs.attempts=0"], "pacs.attempts"),
    ],
)
def test_mistakes_are_found_before_anything_starts(words, said):
    with pytest.raises(UsageError, match=said) as refused:
        configured(*words)
    assert "secret" not in str(refused.value)
