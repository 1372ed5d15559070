"""Size, start and memory of the functions, against their budgets."""

import re
import zipfile
from pathlib import Path

from checks import equal, expect
from processes import REGION
from runtime_api import Environment

FUNCTIONS = {
    "RunJob": "run-job",
    "RefreshAvailability": "refresh-availability",
    "SyncRecord": "sync-record",
    "RunTask": "run-task",
}
ZIP_MB = 12
# The C library of Amazon Linux 2023 is 2.34.
GLIBC = 34
BATCH = 1000
BATCH_MEMORY_MB = 144
# The most that a page of the widest table may take: the least memory a timer's function can be given, without a reserve.
PAGE = 20_000
PAGE_MEMORY_MB = 320
# A function may take this many times as long to start as one that does nothing but create both AWS clients.
START_FACTOR = 2.5
STARTS = 15


class Measurements:
    """Measures what was built, with the variables the deployed functions have."""

    def __init__(self, stack, built, bare, folder):
        self.stack = stack
        self.built = built
        self.bare = bare
        self.folder = folder
        self.sizes = {}
        self.starts = {}
        self.memory = {}

    def _binary(self, function):
        return str(self.built / function / "bootstrap")

    def _variables(self, function):
        """The deployed function's variables: secrets are given by their ARNs."""
        name = f"{self.stack.outputs['RunJobFunction'].removesuffix('run-job')}{FUNCTIONS[function]}"
        configuration = self.stack.functions.get_function_configuration(FunctionName=name)
        variables = configuration["Environment"]["Variables"]
        return variables | {
            name: self.stack.environment[name]
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL")
        }

    def package_sizes(self):
        """Every package is small."""
        for function in FUNCTIONS:
            archive = self.folder / f"{function}.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
                packed.write(self._binary(function), "bootstrap")
            self.sizes[function] = archive.stat().st_size / 1024**2
        for function, size in self.sizes.items():
            expect(size < ZIP_MB, f"the package of {FUNCTIONS[function]} is {size:.1f} MB, over {ZIP_MB} MB")

    def c_library(self):
        """No package asks for a newer C library than Lambda's."""
        for function in FUNCTIONS:
            asked = re.findall(rb"GLIBC_2\.(\d+)", Path(self._binary(function)).read_bytes())
            newest = max(map(int, asked))
            expect(newest <= GLIBC, f"{FUNCTIONS[function]} asks for glibc 2.{newest}, Lambda has 2.{GLIBC}")

    def start_times(self):
        """No function starts much more slowly than one that does nothing."""
        programs = {name: (self._binary(name), self._variables(name)) for name in FUNCTIONS}
        for name, (_, variables) in programs.items():
            given = [variable for variable in variables if variable.endswith("_SECRET_ARN") and variables[variable]]
            equal(len(given), 2, f"secrets that {FUNCTIONS[name]} gets by their ARNs")
        programs["bare"] = (self.bare, programs["SyncRecord"][1])
        samples = {name: [] for name in programs}
        # In turns, so that a busy moment of the machine meets all of them.
        for _ in range(STARTS):
            for name, (binary, variables) in programs.items():
                with Environment(binary, variables, self.folder / f"start-{name}.log") as environment:
                    samples[name].append(environment.initialized_in * 1000)
                    if name not in self.memory:
                        self.memory[name] = environment.peak_memory()
        # Whatever else the machine does only adds to a start: the fastest is the one to compare.
        self.starts = {name: min(values) for name, values in samples.items()}
        for function in FUNCTIONS:
            factor = self.starts[function] / self.starts["bare"]
            expect(factor < START_FACTOR, f"{FUNCTIONS[function]} takes {factor:.2f} times as long to start as a bare one")

    def batch(self, messages):
        """Hands a full batch to sync-record; gives what it left undone, the seconds and the memory."""
        event = {"Records": [record(message, self.stack.queue_arn("RecordsQueueUrl")) for message in messages]}
        variables = self._variables("SyncRecord")
        with Environment(self._binary("SyncRecord"), variables, self.folder / "batch.log") as environment:
            answer, seconds = environment.invoke(event, 300)
            self.memory["SyncRecord"] = environment.peak_memory()
        equal(answer, {"batchItemFailures": []}, "the answer to the batch")
        return seconds

    def page(self, event, changed):
        """Lets run-job read pages of another world, with some of its variables changed; gives its answer and the memory."""
        variables = self._variables("RunJob") | changed
        with Environment(self._binary("RunJob"), variables, self.folder / "page.log") as environment:
            answer, seconds = environment.invoke(event, 600)
            self.memory["RunJob"] = environment.peak_memory()
        return answer, seconds

    def report(self):
        """The numbers as a table."""
        print(f"{'function':22} {'zip MB':>8} {'start ms':>9} {'x bare':>7} {'peak MB':>8}")
        for name in [*FUNCTIONS, "bare"]:
            if name not in self.starts:
                continue
            size = f"{self.sizes[name]:8.1f}" if name in self.sizes else " " * 8
            factor = self.starts[name] / self.starts["bare"]
            memory = self.memory.get(name, float("nan"))
            print(f"{FUNCTIONS.get(name, name):22} {size} {self.starts[name]:9.1f} {factor:7.2f} {memory:8.1f}")
        print(f"sync-record's peak is that of a batch of {BATCH} records, run-job's of a page of {PAGE}; others' of their start")


def record(message, queue_arn):
    """A received message as an event carries it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {"ApproximateReceiveCount": message["Attributes"]["ApproximateReceiveCount"]},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": REGION,
    }
