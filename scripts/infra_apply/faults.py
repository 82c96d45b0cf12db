"""What the emulators do otherwise than AWS, each with its reason. An entry that nothing meets is a failure too."""

import re
from dataclasses import dataclass
from typing import Final

from scripts.infra_apply.deployment import Problem


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an emulator.

    Attributes:
        emulator: Whose it is.
        step: apply, plan or destroy.
        address: Pattern of the resources' addresses.
        text: Pattern of what is said of them; for a plan, the actions.
        reason: What the emulator lacks or does wrong.
        forget: Pattern of the addresses that a second destroy must not try, where the emulator cannot delete them.
    """

    emulator: str
    step: str
    address: str
    text: str
    reason: str
    forget: str = ""

    def explains(self, emulator: str, problem: Problem) -> bool:
        """Whether this is what happened."""
        return (
            (emulator, problem.step) == (self.emulator, self.step)
            and re.fullmatch(self.address, problem.address) is not None
            and re.search(self.text, problem.text) is not None
        )


_QUERIES: Final = r"module\.observability\.aws_cloudwatch_query_definition\.this\[.*\]"
_ALARMS: Final = r"module\.observability\.aws_cloudwatch_metric_alarm\..*"

FAULTS: Final = (
    Fault(
        "ministack", "apply", _QUERIES, "Unknown action: PutQueryDefinition", "has no saved queries of Logs Insights"
    ),
    Fault("moto", "apply", _QUERIES, "PutQueryDefinition", "has no saved queries of Logs Insights"),
    Fault("ministack", "plan", _QUERIES, "^create$", "has no saved queries, so they are still to be made"),
    Fault("moto", "plan", _QUERIES, "^create$", "has no saved queries, so they are still to be made"),
    Fault("ministack", "plan", _ALARMS, "^update .*alarm_actions", "tells an alarm without its dimensions and actions"),
    Fault(
        "ministack",
        "plan",
        r"module\.network\.aws_flow_log\.this\[0\]",
        "^delete/create$",
        "forgets a flow log's role and group",
    ),
    Fault(
        "ministack",
        "plan",
        r"module\.producer\[0\]\.aws_ecs_service\.this",
        "^update ",
        "does not know availability_zone_rebalancing",
    ),
    Fault(
        "ministack",
        "plan",
        r"module\.producer\[0\]\.aws_efs_file_system_policy\.outbox\[0\]",
        "^update ",
        "gives the policy back with another id",
    ),
    Fault(
        "moto",
        "plan",
        r"module\.producer\[0\]\.aws_ecs_service\.this",
        "^delete/create$",
        "forgets a service's capacity providers",
    ),
    Fault(
        "moto",
        "plan",
        r"module\.producer\[0\]\.aws_vpc_security_group_(egress|ingress)_rule\.nfs\[0\]",
        "^update description$",
        "forgets the description of a rule between groups",
    ),
    Fault(
        "moto",
        "pipeline",
        r"module\.lake\.aws_s3_bucket_policy\.this\[\"archive\"\]",
        "403",
        "denies whatever the conditions of a policy say, so the pipeline runs without the policy",
    ),
    Fault(
        "moto",
        "destroy",
        "-",
        "DeleteNamedQuery",
        "cannot delete a saved query of Athena",
        forget=r"module\.lake\.aws_athena_named_query\..*",
    ),
    Fault(
        "moto",
        "destroy",
        "-",
        "DeleteFileSystemPolicy",
        "cannot delete a file system's policy",
        forget=r"module\.producer\[0\]\.aws_efs_file_system_policy\..*",
    ),
    Fault(
        "moto",
        "toggle",
        r"module\.producer\[0\]\.aws_ecs_service\.this",
        "^delete/create$",
        "forgets a service's capacity providers",
    ),
)


# The provider asks again where an answer is late, and is told that what it has made is there, or that what it has
# deleted is not. AWS knows a call that it has had; emulators do not.
_ASKED_TWICE: Final = re.compile(r"EntityAlreadyExists|InvalidRoute\.NotFound")


def is_of_pace(problem: Problem) -> bool:
    """Whether it comes of a late answer, so that another run is to tell: what is wrong of itself is wrong again."""
    return problem.step in {"apply", "destroy"} and _ASKED_TWICE.search(problem.text) is not None


def explain(emulator: str, problems: list[Problem]) -> tuple[dict[Fault, list[Problem]], list[Problem]]:
    """Part problems into those that are the emulator's own, by fault, and those that are ours."""
    known: dict[Fault, list[Problem]] = {fault: [] for fault in FAULTS if fault.emulator == emulator}
    ours = []
    for problem in problems:
        fault = next((fault for fault in known if fault.explains(emulator, problem)), None)
        if fault is None:
            ours.append(problem)
        else:
            known[fault].append(problem)
    return known, ours
