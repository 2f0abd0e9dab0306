"""Who reads telemetry how fast: our way, other libraries with the same work behind them, a drain in C."""
