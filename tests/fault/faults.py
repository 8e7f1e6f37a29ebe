"""What fault tests share: clients that work all the while, a daemon killed, the cluster whole again."""

import os
import random
import signal
import threading

from labs import until


class Clients:
    """Keep-alive connections that ask for random targets until told to stop; nothing may go wrong."""

    def __init__(self, lab, count):
        self.stopping = threading.Event()
        self.answers, self.wrong = [0] * count, []
        self.threads = [threading.Thread(target=self.work, args=(lab, i)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def work(self, lab, number):
        rng = random.Random(number)
        try:
            while not self.stopping.is_set():
                # Now and then a new connection: first handoffs are part of the life.
                with lab.connect() as connection:
                    for _ in range(50):
                        path = "/t/%d" % rng.randrange(100000)
                        answer = connection.get(path)
                        assert answer.status == 200 and answer.body == path.encode() + b"\n"
                        self.answers[number] += 1
        except Exception as error:  # whatever it is, it is what the test is about
            self.wrong.append(repr(error))

    def go_on(self):
        """Waits until every client has got fifty answers more."""
        goals = [count + 50 for count in self.answers]
        until(lambda: self.wrong or all(count >= goal for count, goal in zip(self.answers, goals)), "clients go on")
        assert not self.wrong, self.wrong

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        assert not self.wrong, self.wrong


def kill(lab, daemon):
    """Kills a daemon and waits until its successor is started."""
    before = lab.pids()[daemon]
    os.kill(before, signal.SIGKILL)
    until(lambda: lab.pids().get(daemon, before) != before, daemon + " is started again")


def whole(lab):
    """Whether every node is up and goes by the front's version of the cluster."""
    try:
        status = lab.ask(command="status")
    except OSError:
        return False
    return all(node["state"] == "up" and node["connected"] and node["version"] == status["version"]
               for node in status["nodes"])
