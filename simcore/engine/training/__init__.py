"""Training: schedules of pipelines as task graphs, one step, failures over months."""
