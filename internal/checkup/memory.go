package checkup

import (
	"runtime"
	"strings"

	"github.com/byre-messenger/byre/internal/hygiene"
	"github.com/byre-messenger/byre/internal/machine"
)

// Memory looks at what keeps the memory of a program from others and from the
// disk. The state is that of the running program; nil where it does not run.
func Memory(m machine.Machine, who string, s *hygiene.State) []Finding {
	return []Finding{process(who, s), cores(m, who, s), erasing(who, s), locked(m, who, s), swap(m, who, s)}
}

const notRunning = "%s does not run, so this can't be told of it"

func process(who string, s *hygiene.State) Finding {
	const check = "process"
	switch {
	case s == nil:
		return Good(check, notRunning, who)
	case s.Closed:
		return Good(check, "no other program of its user reads what %s has in memory; the administrator does", who)
	case runtime.GOOS == "linux":
		return Bad(check, "every program of its user reads what %s has in memory, since the system refused to close it; run %s as a user of its own, and let it call prctl", who, who)
	}
	return Good(check, "%s closes itself on Linux alone; here other programs of its user may read its memory as far as the system lets them", who)
}

func cores(m machine.Machine, who string, s *hygiene.State) Finding {
	const check = "core dumps"
	switch {
	case s == nil:
		return Good(check, notRunning, who)
	case s.Closed:
		return Good(check, "off for %s, whatever the system does with those of others", who)
	case !s.Cores:
		if pattern, err := m.CorePattern(); err == nil && strings.HasPrefix(pattern, "|") {
			return Bad(check, "a crash of %s goes to %s, whatever its limit is; set kernel.core_pattern to core", who, strings.Fields(pattern[1:] + " ?")[0])
		}
		return Good(check, "off for %s", who)
	case runtime.GOOS == "windows":
		return Good(check, "this system does not tell")
	}
	return Bad(check, "a crash of %s writes its memory to the disk; run it with 'ulimit -c 0'", who)
}

func erasing(who string, s *hygiene.State) Finding {
	const check = "dead keys"
	able := runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64")
	switch {
	case s == nil:
		return Good(check, notRunning, who)
	case s.Erasing:
		return Good(check, "this build erases from memory the copies that deriving and using keys of what dies leaves there")
	case able:
		return Bad(check, "this %s was built without GOEXPERIMENT=runtimesecret, so copies of dead keys stay in its memory; build it with make", who)
	}
	return Good(check, "Go can't erase copies of them from memory on this system; they go when the program ends")
}

func locked(m machine.Machine, who string, s *hygiene.State) Finding {
	const check = "locked memory"
	plain, err := plainSwap(m)
	switch {
	case s == nil:
		return Good(check, notRunning, who)
	case s.Locked:
		return Good(check, "the memory of %s is never swapped out", who)
	case s.SwapOff:
		return Good(check, "not locked, but the control group of %s may use no swap", who)
	case err != nil:
		return Good(check, "not locked (%s); whether this system swaps is not known", s.Unlocked)
	case plain == "":
		return Good(check, "not locked (%s), and there is no swap that would show it", s.Unlocked)
	}
	return Bad(check, "not locked (%s), and %s would take it; allow it with 'ulimit -l unlimited' (systemd: LimitMEMLOCK=infinity), or see to swap", s.Unlocked, plain)
}

func swap(m machine.Machine, who string, s *hygiene.State) Finding {
	const check = "swap"
	areas, err := m.Swaps()
	if err != nil {
		return Good(check, "%v", err)
	}
	if len(areas) == 0 {
		return Good(check, "off")
	}
	plain, _ := plainSwap(m) // as above
	switch {
	case plain == "":
		return Good(check, "on, in memory or encrypted")
	case s != nil && (s.Locked || s.SwapOff):
		return Good(check, "on without encryption (%s), but it takes nothing of %s", plain, who)
	}
	return Bad(check, "on without encryption that shows (%s), so that keys in memory may reach the disk; turn it off, or encrypt it with a random key", plain)
}

// plainSwap names a swap area that keeps what is written there readable.
func plainSwap(m machine.Machine) (string, error) {
	areas, err := m.Swaps()
	if err != nil {
		return "", err
	}
	for _, a := range areas {
		if !a.InMemory && !a.Encrypted {
			return a.Name, nil
		}
	}
	return "", nil
}
