package hygiene

const unlocked = "byre does that on Linux alone"

// closeProcess does nothing: this system writes no memory unless it was told to.
func closeProcess() {}

func stateOfProcess() State { return State{Unlocked: unlocked} }
