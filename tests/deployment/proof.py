"""The deployment proof: the real template and the real packages on a local AWS, between both simulators.

`run` prepares everything and starts this. Every step says what it found; the last line counts them.
"""

import argparse
import shutil
import sys
from pathlib import Path

import deploying
import operating
import orders
import outage
import queues
import synchronizing
import telemetry
from checks import Checks, Failed
from world import World


def prove(checks, world):
    """Takes the steps, in this order."""
    if not checks.step("the stack deploys", deploying.first_deployment, world):
        raise Failed("nothing is deployed")
    checks.step(
        "timers couple and synchronize the company by themselves", synchronizing.timers_synchronize_the_company, world
    )
    checks.step(
        "the first load went on from the tasks queue, invocation by invocation",
        synchronizing.the_first_load_took_several_invocations, world,
    )  # fmt: skip
    checks.step(
        "a second deployment updates in place and loses nothing", deploying.a_second_deployment_updates_in_place, world
    )
    checks.step("timers carry changes both ways, and stock", synchronizing.timers_carry_changes_both_ways, world)
    checks.step("the alarms are there and tell somebody", deploying.the_alarms, world)
    checks.step("timers can be switched off", deploying.timers_can_be_switched_off, world)
    checks.step("f30 the queues are open to those who need them, over TLS", queues.only_those_who_need_it, world)
    checks.step("the operator sees jobs and couplings", operating.the_operator_sees_jobs_and_couplings, world)
    checks.step(
        "the operator runs a job and finds what failed", operating.the_operator_runs_a_job_and_finds_what_failed, world
    )
    checks.step("the operator acts on chosen records", operating.the_operator_acts_on_chosen_records, world)
    checks.step("of two overlapping runs one works and one leaves", synchronizing.two_runs_of_one_job, world)
    checks.step("a poison message does not take its batch along", outage.a_poison_message, world)
    caught = checks.step("an outage loses nothing", outage.an_outage, world)
    if caught:
        checks.step("an alarm tells of the dead letters", outage.its_alarm, world, caught)
        checks.step("a replay brings everything home exactly once", outage.its_replay, world, caught)
    checks.step("an order and a quote become work in Business Central, and are told of", orders.orders_travel_one_way, world)
    checks.step("an order travels both ways until it is over", orders.orders_travel_both_ways, world)
    checks.step("running functions go on with a rotated secret", operating.a_rotated_secret, world)
    checks.step("a batch of a thousand records stays within its memory", synchronizing.a_full_batch, world)
    checks.step("f34 the largest page of the widest table fits into a timer's memory", synchronizing.a_full_page, world)
    checks.step("packages are small", world.measurements.package_sizes)
    checks.step("packages run on Lambda's C library", world.measurements.c_library)
    checks.step("functions start quickly", world.measurements.start_times)
    checks.step(
        "every line can be read, none holds a secret, and policies allow what is needed",
        telemetry.every_line_can_be_read, world,
    )  # fmt: skip
    checks.step("metrics are told as CloudWatch takes them", telemetry.the_metrics, world)
    checks.step("f33 a run that failed says that none ended well", telemetry.failed_runs, world)
    checks.step("a run can be followed from its timer to its records", telemetry.a_run_can_be_followed, world)
    table = checks.step("deleting the stack keeps the table", deploying.deleting_the_stack_keeps_the_table, world)
    if table:
        checks.step("a new stack goes on with the table", deploying.a_new_stack_goes_on_with_the_table, world, table)
        checks.step("f30 the replay role sends and takes", queues.the_replay_role_does, world)
    print()
    world.measurements.report()


def main():
    """Runs all steps; the exit code is 0 when all passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--tools", type=Path, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--programs", type=Path, required=True, help="folder of the simulators and the command")
    parser.add_argument("--bare", type=Path, required=True)
    parser.add_argument("--passed", type=int, default=0, help="steps that have passed before")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.folder, ignore_errors=True)
    arguments.folder.mkdir(parents=True)

    checks = Checks(arguments.passed)
    world = None
    try:
        world = World(arguments.project, arguments.tools, arguments.folder, arguments.programs, str(arguments.bare))
        prove(checks, world)
    except Failed as error:
        checks.failed += 1
        print(f"FAILED  {error}")
    finally:
        if world:
            world.stop()
    return checks.close()


if __name__ == "__main__":
    sys.exit(main())
