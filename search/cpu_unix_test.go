//go:build unix

package search

import (
	"syscall"
	"time"
)

// spent returns what processor time this program has taken, of all cores and with
// what the system did for it.
func spent() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
