"""How many CloudWatch series a strategy is billed for, from the catalogue."""

from cdk.options import Strategy
from dyno.metrics import catalogue


def series(strategy: Strategy, functions: int) -> int:
    """
    All that the deployment's own code can make, whatever is called; exact, as tests count it from that code.

    Args:
        functions: How many note their cold starts: those of the API.
    """
    of_lines = len(catalogue.filtered(strategy))
    if strategy is Strategy.PROMETHEUS:
        return of_lines
    of_functions = functions * len(catalogue.FUNCTION_METRICS) if strategy is Strategy.CLOUDWATCH else 0
    return _of_calls(strategy) + len(catalogue.BUSINESS_METRICS) + of_functions + of_lines


def _of_calls(strategy: Strategy) -> int:
    own = sum(
        len(catalogue.emitted(strategy, service, method))
        for service, methods in catalogue.METHODS.items()
        for method in methods
    )
    return own + len(catalogue.shared(strategy))
