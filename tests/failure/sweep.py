# SPDX-License-Identifier: MIT
"""Tries a list of points, or points 1, 2, 3… until there are no more, in several boxes at once."""
import itertools
import threading
import traceback

from box import Box

BOXES = 6
PROBLEMS_MAX = 10  # enough to see what is wrong


class Sweep:
    """Boxes that outlive one test; a box in which a point failed is replaced."""

    def __init__(self, folder, boxes=BOXES, **wanted):
        self.folder, self.wanted = folder, wanted
        self.numbers = itertools.count(1)
        self.boxes = [None] * boxes
        self.figures = {}
        self.lock = threading.Lock()

    def count(self, name, number):
        with self.lock:
            self.figures[name] = self.figures.get(name, 0) + number

    def _box(self, index):
        if self.boxes[index] is None:
            with self.lock:
                number = next(self.numbers)
            self.boxes[index] = Box(self.folder / f"box{number}", **self.wanted)
        return self.boxes[index]

    def run(self, name, try_point, points=None):
        """Calls try_point(box, point) for each; when `points` is not given, until it returns False."""
        source = iter(points if points is not None else itertools.count(1))
        problems, tried, ended = [], [], threading.Event()

        def work(index):
            while not ended.is_set() and len(problems) < PROBLEMS_MAX:
                with self.lock:
                    point = next(source, None)
                if point is None:
                    return
                try:
                    box = self._box(index)
                    if try_point(box, point) is False:
                        ended.set()
                        return
                    tried.append(point)
                except Exception:  # pylint: disable=broad-except  (every problem is reported below)
                    problems.append(f"{name}, point {point}, {self._give_up(index)}:\n"
                                    f"{traceback.format_exc()[-3500:]}")
        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(self.boxes))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with self.lock:
            self.figures[name] = len(tried) + len(problems)
        assert not problems, f"{len(problems)} of {len(tried) + len(problems)} points:\n\n" + \
            "\n".join(problems)
        return tried

    def _give_up(self, index):
        box, self.boxes[index] = self.boxes[index], None
        if box is None:
            return "no box"
        box.kill()
        return str(box.folder)

    def stop(self):
        problems = []

        def end(box):
            try:
                box.stop()
            except (AssertionError, OSError) as problem:
                problems.append(problem)
        threads = [threading.Thread(target=end, args=(box,)) for box in self.boxes if box]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not problems, problems
