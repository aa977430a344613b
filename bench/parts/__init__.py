"""The parts of `make bench`, in the order in which they are run."""
from parts import checkpoint, engine, growth, http, latency, store, tenant, worker

PARTS = {
    'engine': engine.measure,
    'worker': worker.measure,
    'latency': latency.measure,
    'checkpoint': checkpoint.measure,
    'store': store.measure,
    'http': http.measure,
    'tenant': tenant.measure,
    'growth': growth.measure,
}
