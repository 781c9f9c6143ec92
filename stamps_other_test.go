//go:build !linux

package main

import (
	"os"
	"testing"
)

// stamps are the times of a file, as far as the system tells them in one way.
func stamps(t *testing.T, path string) string {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime().String()
}
