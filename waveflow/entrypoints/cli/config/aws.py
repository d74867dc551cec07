"""What boto3 finds by itself: region, endpoints, profile, and which kind of credentials.

Only names and kinds are told, never a key, and nobody is asked over the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from configparser import ConfigParser, Error
from pathlib import Path

from attrs import field, frozen

from waveflow.entrypoints.cli.config.in_force import shown_address

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")


@frozen
class AwsSurroundings:
    """The environment, and the profile of AWS's two files that it chooses.

    Attributes:
        keys: the profile in the file of credentials; None when it isn't there.
        config: the profile in the file of configuration, likewise.
        damaged: those of the two files that can't be read; boto3 stops at them.
    """

    environment: Mapping[str, str]
    profile: str
    keys: Mapping[str, str] | None = field(repr=False)
    config: Mapping[str, str] | None = field(repr=False)
    damaged: tuple[Path, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> AwsSurroundings:
        """What `environment` leads to."""
        profile = environment.get("AWS_PROFILE") or "default"
        section = profile if profile == "default" else f"profile {profile}"
        files = [
            _file(environment, "AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            _file(environment, "AWS_CONFIG_FILE", "config"),
        ]
        read = [_sections(file) for file in files]
        keys, config = (sections or {} for sections in read)
        damaged = (file for file, sections in zip(files, read, strict=True) if sections is None)
        return cls(environment, profile, keys.get(profile), config.get(section), tuple(damaged))

    def facts(self, queue_region: str | None) -> dict[str, str]:
        """What is known, by name, in words for people.

        Args:
            queue_region: the region in the queue's own address.
        """
        region = self.region()
        facts = {
            "credentials": self.credentials(),
            "region of the bucket": region,
            "region of the queue": self._queue_region(queue_region) or region,
            "endpoint of S3": self.endpoint("S3"),
            "endpoint of SQS": self.endpoint("SQS"),
        }
        if self.environment.get("AWS_PROFILE"):
            facts["profile"] = f"{self.profile} (AWS_PROFILE)"
        for name in _PROXIES:
            if proxy := self.environment.get(name) or self.environment.get(name.lower()):
                facts[name] = shown_address(proxy)
        return facts

    def problems(self) -> list[str]:
        """What boto3 will refuse, one sentence each."""
        given = self.environment.get
        problems = [
            f"{file} is no file of AWS's settings; mend it or move it away, boto3 stops at it."
            for file in self.damaged
        ]
        if given("AWS_PROFILE") and self.keys is None and self.config is None:
            problems.append(
                f"AWS_PROFILE is {self.profile!r}, but no such profile is in AWS's files; unset"
                " it, or make the profile with `aws configure`."
            )
        if given("AWS_ACCESS_KEY_ID") and not given("AWS_SECRET_ACCESS_KEY"):
            problems.append(
                "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not; set both, or neither."
            )
        return problems

    def region(self) -> str:
        """The region of requests whose address names none, and who says so."""
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            if region := self.environment.get(name, "").strip():
                return f"{shown_address(region)} ({name})"
        if configured := (self.config or {}).get("region"):
            return f"{configured} ({self._profile})"
        return "not set; set AWS_REGION"

    def _queue_region(self, in_address: str | None) -> str | None:
        # AWS_REGION is handed on to every client, and a queue's address goes before the rest.
        if in_address is None or self.environment.get("AWS_REGION", "").strip():
            return None
        return f"{in_address} (SQS_QUEUE_URL)"

    def endpoint(self, service: str) -> str:
        """Where requests to a service go, and who says so."""
        given = self.environment.get
        if given("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
            return "Amazon's own (AWS_IGNORE_CONFIGURED_ENDPOINT_URLS)"
        for name in (f"AWS_ENDPOINT_URL_{service}", "AWS_ENDPOINT_URL"):
            if url := given(name):
                return f"{shown_address(url)} ({name})"
        config = self.config or {}
        if "services" in config:
            return f"as services {config['services']!r} say ({self._profile})"
        if configured := config.get("endpoint_url"):
            return f"{shown_address(configured)} ({self._profile})"
        return "Amazon's own"

    def credentials(self) -> str:
        """Where credentials come from, in the order in which boto3 looks."""
        kinds: tuple[Callable[[], str | None], ...] = (
            self._of_environment,
            self._of_role,
            self._of_files,
            self._of_surroundings,
        )
        return next(filter(None, (kind() for kind in kinds)), "none; boto3 finds nothing to use")

    def _of_environment(self) -> str | None:
        if not self.environment.get("AWS_ACCESS_KEY_ID"):
            return None
        is_temporary = self.environment.get("AWS_SESSION_TOKEN")
        return f"keys in AWS_ACCESS_KEY_ID{', temporary ones' if is_temporary else ''}"

    def _of_role(self) -> str | None:
        config = dict(self.keys or {}) | dict(self.config or {})
        if "role_arn" in config:
            return f"a role that is assumed ({self._profile})"
        if self.environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            return "a role by web identity (AWS_WEB_IDENTITY_TOKEN_FILE)"
        return None

    def _of_files(self) -> str | None:
        keys, config = self.keys or {}, self.config or {}
        if "sso_start_url" in config or "sso_session" in config:
            return f"single sign-on ({self._profile})"
        if "aws_access_key_id" in keys:
            return f"keys in the file of credentials ({self._profile})"
        if "credential_process" in config:
            return f"a program that is asked ({self._profile})"
        if "aws_access_key_id" in config:
            return f"keys in the file of configuration ({self._profile})"
        return None

    def _of_surroundings(self) -> str | None:
        given = self.environment.get
        for kind in ("RELATIVE", "FULL"):
            if given(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI"):
                return "the container's role"
        if given("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            return None
        return "the instance's role, if it has one: known at the first request"

    @property
    def _profile(self) -> str:
        return f"profile {self.profile}"


def _file(environment: Mapping[str, str], variable: str, name: str) -> Path:
    home = Path(environment.get("HOME") or "~").expanduser()
    return Path(environment.get(variable) or home / ".aws" / name).expanduser()


def _sections(file: Path) -> dict[str, dict[str, str]] | None:
    """What a file says, by section; nothing when there is none, None when it is damaged."""
    parser = ConfigParser(interpolation=None, default_section="", strict=False)
    try:
        parser.read(file, encoding="utf-8")
    except (Error, OSError, UnicodeError):
        return None
    return {section: dict(parser[section]) for section in parser.sections()}
