package tui

import (
	"bytes"
	"testing"

	"qedit/check"
	"qedit/header"
)

// A flag is as bad before a check as its finding is after it.
func TestFlagSeverity(t *testing.T) {
	for name, want := range map[string]check.Severity{"dirty": check.Warning, "corrupt": check.Error} {
		buf := bytes.Clone(imageBytes(t, "full"))
		d := header.NewDraft(buf[:4096])
		if err := d.Set(name, "on"); err != nil {
			t.Fatal(err)
		}
		copy(buf, d.Bytes())
		area := header.NewArea(buf[:4096])
		all := findProblems(area, nil, int64(len(buf)))
		if len(all) != 1 || all[0].path != name || all[0].severity != want {
			t.Errorf("%s: %+v", name, all)
		}
		r, err := check.Run(t.Context(), bytes.NewReader(buf), int64(len(buf)), area, check.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Findings) != 1 || r.Findings[0].Kind.Severity != want {
			t.Errorf("%s: the check finds %v", name, r.Findings)
		}
	}
}
