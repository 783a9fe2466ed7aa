"""What can go wrong while a program trains, again and again: `python tests/data/faults.py 50`.

Each fault happens in a process of its own, which must end in time, say what the row of the fault expects, and leave no
process and no named segment of shared memory behind. Prints a line for each fault; the exit status is 1 if one did not
hold.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import uuid

PREPARE = """
import os, resource, signal, sys, time
import rushlight as rl
from rushlight.io import TrainingState
from rushlight.utils.data import DataLoader, Dataset
FOLDER = sys.argv[1]
PARENT = os.getpid()

class Data(Dataset):
    def __init__(self, fault=None, at=70):
        self.fault, self.at = fault, at
    def __len__(self):
        return 10**6
    def __getitem__(self, index):
        if self.fault and index == self.at:
            self.fault()
        return rl.ones(3, 48, 48)

def loader(fault=None, **options):
    return DataLoader(Data(fault), 16, num_workers=2, **options)

def ready():
    print("ready", flush=True)
"""

IN_WORKER = "for _ in loader(lambda: {fault}): pass"

TRAIN = """
model = rl.nn.Linear(48, 48)
optimizer = rl.optim.Adam(model.parameters())
at = {{"step": 0}}
state = TrainingState(FOLDER + "/run.pth", model=model, optimizer=optimizer, at=at)
state.resume()
state.save()
ready()
for batch in {batches}:
    optimizer.zero_grad()
    model(batch).square().mean().backward()
    optimizer.step()
    at["step"] += 1
    {after}
"""

FORK = """
x = rl.randn(512, 512)
x @ x
pid = os.fork()
if pid == 0:
    (x @ x).exp().sum().item()
    os._exit(7)
print("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""

SAVE = TRAIN.format(batches="iter(lambda: rl.ones(4, 48), None)", after="state.save()")
KILLED, INTERRUPTED = -signal.SIGKILL, -signal.SIGINT
# name: (program, signal to send to the group or to the process, seconds it may take, exit status, what it says)
FAULTS = {
    "worker killed": (IN_WORKER.format(fault="os.kill(os.getpid(), 9)"), None, 5, 1,
                      r"DataLoaderWorkerError: DataLoader worker \d \(pid \d+\) was killed by signal SIGKILL while"),
    "worker segfaults": (IN_WORKER.format(fault="os.kill(os.getpid(), 11)"), None, 5, 1, "killed by signal SIGSEGV"),
    "worker exits": (IN_WORKER.format(fault="os._exit(0)"), None, 5, 1, "exited unexpectedly with exit code 0"),
    "worker raises": (IN_WORKER.format(fault="[][3]"), None, 5, 1, "IndexError: Caught IndexError in DataLoader"),
    "worker hangs": ("for _ in loader(lambda: time.sleep(99), timeout=0.5): pass", None, 8, 1,
                     r"timed out after 0.5 seconds: worker \d while loading samples"),
    "no shared memory": ("small = lambda _: resource.setrlimit(resource.RLIMIT_FSIZE, (9999, 9999))\n"
                         "batch = next(iter(loader(worker_init_fn=small)))\nprint(batch.sum().item())", None, 5, 0,
                         str(16 * 3 * 48 * 48.0)),
    "parent killed": ("ready()\nfor _ in loader(): pass", signal.SIGKILL, 5, KILLED, ""),
    "parent killed, workers hang": ("ready()\nfor _ in loader(lambda: time.sleep(99)): pass", signal.SIGKILL, 5, KILLED,
                                    ""),
    "interrupt in the loader": ("ready()\nfor _ in loader(lambda: time.sleep(99)): pass", signal.SIGINT, 8, INTERRUPTED,
                                "KeyboardInterrupt"),
    "interrupt in a step": (TRAIN.format(batches="loader()", after="pass"), signal.SIGINT, 8, INTERRUPTED,
                            "KeyboardInterrupt"),
    "interrupt in a save": (SAVE, signal.SIGINT, 8, INTERRUPTED, "KeyboardInterrupt"),
    "killed in a save": (SAVE, signal.SIGKILL, 5, KILLED, ""),
    "fork after threads": (FORK, None, 8, 0, "child 7"),
}


def marked(mark):
    """The processes, whatever became of their parents, that carry the mark in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                environment = file.read()
            with open(f"/proc/{pid}/stat") as file:
                dead = file.read().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if mark.encode() in environment and not dead:
            found.append(int(pid))
    return found


def problem_of(name, pause):
    """Lets the fault happen once. None, or what did not hold."""
    program, sent, seconds, status, said = FAULTS[name]
    mark, segments = f"fault-{uuid.uuid4()}", set(os.listdir("/dev/shm"))
    with tempfile.TemporaryDirectory() as folder:
        child = subprocess.Popen(
            [sys.executable, "-c", PREPARE + program, folder], env=os.environ | {"FAULT": mark}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
            # A shell's background jobs ignore interrupts, and whatever they start inherits that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        if sent is not None:
            assert child.stdout.readline() == "ready\n"
            time.sleep(pause)
            (os.killpg if sent == signal.SIGINT else os.kill)(child.pid, sent)
        try:
            output, _ = child.communicate(timeout=seconds + 10)     # what a start takes on a busy machine
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return f"did not end: {child.communicate()[0][-500:]}"
        if child.returncode != status or not re.search(said, output):
            return f"exit status {child.returncode}; said: {output[-800:]}"
        limit = time.monotonic() + 5
        while marked(mark) and time.monotonic() < limit:
            time.sleep(0.02)
        if left := marked(mark):
            return f"left processes {left}"
        if extra := set(os.listdir("/dev/shm")) - segments:
            return f"left segments {extra}"
        if "state.save()" in program:
            return problem_of_file(folder)
    return None


def problem_of_file(folder):
    """Whether the last state that was saved is there, whole."""
    import rushlight

    path = os.path.join(folder, "run.pth")
    try:
        step = rushlight.load(path)["parts"]["at"]["step"]
    except Exception as error:
        return f"the state is lost: {error!r}"
    return None if step >= 0 else f"step {step}"


def main(times, names=None):
    """Returns {fault: [what did not hold]}."""
    import random

    rnd, failures = random.Random(0), {}
    for name in names or FAULTS:
        begin = time.monotonic()
        problems = [problem_of(name, rnd.uniform(0, 0.6)) for _ in range(times)]
        failures[name] = [problem for problem in problems if problem]
        seconds = (time.monotonic() - begin) / times
        print(f"{name:30} {times - len(failures[name])} of {times} held, {seconds:.2f} s each", *failures[name][:2],
              flush=True)
    return failures


if __name__ == "__main__":
    sys.exit(any(main(int(sys.argv[1]), sys.argv[2:]).values()))
