"""Training, prediction, evaluation and packaging ask the network for nothing."""

OFFLINE = """
import sys
REACHES = ("socket.connect", "socket.sendto")
ASKS = (*REACHES, "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr")
asked = []
def refuse(event, arguments):
    is_own = event in REACHES and isinstance(arguments[-1], (str, bytes))  # a socket that is a file of this machine
    if event in ASKS and not is_own:
        asked.append(f"{event} {arguments[1:]}")
        raise OSError(f"{event}: there is no network here")
sys.addaudithook(refuse)
try:
    import socket
    socket.create_connection(("127.0.0.1", 9))
except OSError as error:
    assert "there is no network here" in str(error), error
asked.clear()
from segkit.cli import main
words = [[]]
for word in sys.argv[1:]:
    words.append([]) if word == "--then--" else words[-1].append(word)
for line in words:
    code = main(line)
    if code:
        sys.exit(code)
sys.exit(f"asked: {asked}" if asked else 0)
"""


def test_a_whole_walk_without_a_network(segkit, ball_options, balls):
    walk = [
        ["train", *ball_options, "training.steps=10", "training.workers=1", "workers=1", "output=run"],
        ["predict", "run=run", f"input={balls / 'images' / 'ball_6.nii.gz'}", "output=masks"],
        ["evaluate", "predictions=masks", f"references={balls / 'labels'}", "output=scores", "workers=1"],
        ["package", "run=run", "output=balls.segkit"],
    ]
    words = [word for line in walk for word in ("--then--", *line)][1:]
    segkit(*words, code=OFFLINE)
    assert (segkit.folder / "scores" / "summary.json").is_file()
    assert (segkit.folder / "balls.segkit").is_file()
