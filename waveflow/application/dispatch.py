"""Which use case carries out which command."""

from __future__ import annotations

from typing import assert_never

from attrs import frozen

from waveflow.application.analyze_stem import AnalyzeStem
from waveflow.application.commands import (
    AnalysisRequest,
    CleanupRequest,
    Command,
    DuplicateRequest,
    HashRequest,
    HealthRequest,
    MixRequest,
    Origin,
)
from waveflow.application.ingest_stem import IngestStem
from waveflow.application.maintenance import CleanWorkFolder, ReportHealth
from waveflow.application.mix_stage import MixStage
from waveflow.application.resolve_duplicate import ResolveDuplicate


@frozen
class Dispatcher:
    """The four use cases and the two maintenance tasks behind one method."""

    ingest_stem: IngestStem
    resolve_duplicate: ResolveDuplicate
    analyze_stem: AnalyzeStem
    mix_stage: MixStage
    report_health: ReportHealth
    clean_work_folder: CleanWorkFolder

    def perform(self, command: Command, origin: Origin) -> object:
        """Carry out `command`; returns what its use case returns and raises what it raises."""
        match command:
            case HashRequest():
                return self.ingest_stem.ingest(command, origin)
            case DuplicateRequest():
                return self.resolve_duplicate.resolve(command, origin)
            case AnalysisRequest():
                return self.analyze_stem.analyze(command, origin)
            case MixRequest():
                return self.mix_stage.mix(command, origin)
            case HealthRequest():
                return self.report_health.report()
            case CleanupRequest():
                return self.clean_work_folder.clean()
            case _:
                assert_never(command)
