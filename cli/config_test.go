package cli

import (
	"strings"
	"testing"

	"qedit/tui"
)

// The example of the documentation holds.
func TestSettingsExample(t *testing.T) {
	if _, wrong := tui.ReadSettings(strings.NewReader(settingsExample), "example"); len(wrong) > 0 {
		t.Error(wrong)
	}
}
