"""The parts of `make bench`, in the order in which they are run."""
from parts import engine, worker

PARTS = {
    'engine': engine.measure,
    'worker': worker.measure,
}
