package main

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// stamps are the times of a file, when it was read last among them.
func stamps(t *testing.T, path string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(st.Atim, st.Mtim, st.Ctim)
}
