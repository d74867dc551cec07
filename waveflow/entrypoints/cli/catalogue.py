"""Every command, what it is for in a few words, and where it is.

What `waveflow --help` and the shells' completion show is known here, so that neither imports
the commands themselves.
"""

from __future__ import annotations

from attrs import frozen


@frozen
class Entry:
    """A command of the first level.

    Attributes:
        module: below this package; it holds a function of the command's name.
        purpose: what it does, short enough for one line of 80 letters.
    """

    name: str
    module: str
    purpose: str


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Files": (
        Entry("analyze", "audio", "Compute the waveform of a file, as JSON or .dat."),
        Entry("render", "render", "Draw the waveform of a file as a picture."),
        Entry("mix", "audio", "Mix files into one mono WAV."),
        Entry("ingest", "copies", "Hash files and say which are the same."),
        Entry("resolve-duplicate", "copies", "Delete a file that another one is proved to equal."),
    ),
    "Trying it out": (
        Entry("demo", "service", "Run all four steps on a small song."),
        Entry("studio", "studio", "Open a page to upload stems on, and to see and hear them."),
        Entry("stand-in", "stand_in", "Play the main server on one machine."),
    ),
    "Running a worker": (
        Entry("worker", "worker", "Take messages from the queue until told to stop."),
        Entry("config", "config.command", "Show the settings in force and what is wrong."),
        Entry("health", "health", "Check queue, storage, main server and decoder."),
        Entry("warmup", "warmup", "Compile the kernels ahead of their first use."),
        Entry("cleanup", "service", "Remove what crashed tasks left behind."),
    ),
    "Operating the service": (
        Entry("explain", "explain.command", "Say what became of a stem, and what helps."),
        Entry("queue", "queue.command", "Look at the queue and at what was given up."),
        Entry("send", "send", "Put a task on the queue."),
        Entry("again", "again.command", "Have stems analysed again."),
        Entry("resend", "resend.command", "Send webhooks again that the server lost."),
        Entry("ledger", "service", "Enter the stems of a storage that was in use."),
    ),
    "The command itself": (
        Entry("help", "help", "Explain a command, as --help does."),
        Entry("completion", "completion", "Print what makes a shell complete commands."),
    ),
}
"""In the order in which help lists them."""

ENTRIES = {entry.name: entry for entries in SECTIONS.values() for entry in entries}

ALIASES = {"analyse": "analyze"}
"""Other spellings that are understood, and not listed."""
