"""What the steps use: dbt, T, and one process for all of them."""

import dagster as dg

from orchestration.dbt_process import dbt_resource
from orchestration.moment import RESOURCE, Moment
from orchestration.project import current


@dg.definitions
def resources() -> dg.Definitions:
    """Return the resources and the executor.

    In process: a second process could not open the warehouse, and costs 20 s a step.
    """
    return dg.Definitions(
        resources={"dbt": dbt_resource(current()), RESOURCE: Moment()},
        executor=dg.in_process_executor,
    )
