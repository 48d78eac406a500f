"""How many examples Hypothesis tries. `HYPOTHESIS_PROFILE=long` is for hours, the default for every `make test`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_LONG = 100


def within(examples: int, *, steps: int = 12) -> settings:
    """Settings for a test that usually tries so many examples, each of at most so many steps."""
    factor = _LONG if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 1
    return settings(
        max_examples=examples * factor,
        stateful_step_count=steps,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
