"""MMI in its owner's layout: real AVI files of a few frames, session and emotion XML, action-unit XML that must not be read, all
three views, a state that is no expression, a session without a label, a video that stands on end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from fixtures_trees import OwnerTree, picture

SESSIONS = {
    1: ("S001-001", 0, 4), 2: ("S002-002", 0, 1), 3: ("S001-003", 1, 5), 4: ("S002-004", 2, 6), 5: ("S003-005", 0, 9),
    6: ("S003-006", 0, None), 10: ("S003-010", 0, 2),
}  # fmt: skip
"""session -> (stem, view, emotion code); 10 stands on end."""

FRAMES = 21


def mmi_tree(root: Path) -> Path:
    for session, (stem, view, code) in SESSIONS.items():
        place = root / "Sessions" / str(session)
        place.mkdir(parents=True)
        film(place / f"{stem}.avi", session, (64, 80) if session == 10 else (80, 64))
        (place / "session.xml").write_text(f'<?xml version="1.0"?>\n<Session sessionId="{session}"\n view="{view}"/>\n')
        tag = "" if code is None else f' <Metatag Name="Emotion" Value="{code}"/>\n'
        (place / f"{stem}.xml").write_text(
            f'<?xml version="1.0"?>\n<Annotation>\n <Metatag Name="Take" Value="8"/>\n{tag}</Annotation>\n'
        )
        (place / f"{stem}-aucs.xml").write_text('<AUs><Metatag Name="Emotion" Value="3"/></AUs>')
    (root / "Sessions/2/Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


def film(path: Path, seed: int, size: tuple[int, int], frames: int = FRAMES) -> Path:
    """A face, and a strip on its left whose grey tells the number of the frame (``level``)."""
    import av

    width, height = size
    face = np.array(picture(seed, width, height))
    with av.open(str(path), "w", format="avi") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        for number in range(frames):
            face[:, : width // 4] = level(number)
            for packet in stream.encode(av.VideoFrame.from_ndarray(face, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
    return path


def level(number: int) -> int:
    return 10 * number + 20


TREE = OwnerTree("mmi", mmi_tree, lists=("Sessions/1/session.xml",), inner="Sessions/1")
