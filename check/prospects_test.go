package check

import "testing"

// What follows from a finding that waits for a choice waits with it, but for
// what follows from a wrong refcount.
func TestProspects(t *testing.T) {
	alone, choice := []Fix{{Name: "do"}}, []Fix{{Name: "choose", Choice: true}}
	finding := func(kind *Kind, path, cause string, fixes []Fix) Finding {
		return Finding{Kind: kind, Path: path, Cause: cause, Fixes: fixes}
	}
	entry, twice := kindL2Reserved, kindDataTwice
	for _, c := range []struct {
		name  string
		found []Finding
		want  Prospects
	}{
		{"nothing", nil, Prospects{}},
		{"one of each", []Finding{finding(entry, "a", "", alone), finding(entry, "b", "", choice), finding(entry, "c", "", nil)}, Prospects{1, 1, 1}},
		{"behind a choice", []Finding{finding(twice, "a", "", choice), finding(entry, "b", twice.ID+"@a", alone), finding(entry, "c", entry.ID+"@b", alone)}, Prospects{Asked: 3}},
		{"behind what is mended", []Finding{finding(twice, "a", "", alone), finding(entry, "b", twice.ID+"@a", alone)}, Prospects{Alone: 2}},
		{"behind a leak", []Finding{finding(kindLeak, "a", "", choice), finding(entry, "b", kindLeak.ID+"@a", alone)}, Prospects{Alone: 1, Asked: 1}},
		{"behind what was not kept", []Finding{finding(entry, "b", twice.ID+"@a", alone)}, Prospects{Alone: 1}},
		{"without a fix, behind another", []Finding{finding(twice, "a", "", choice), finding(entry, "b", twice.ID+"@a", nil)}, Prospects{Asked: 1}},
		{"in a circle", []Finding{finding(entry, "a", entry.ID+"@b", alone), finding(entry, "b", entry.ID+"@a", alone)}, Prospects{Asked: 2}},
	} {
		if got := (&Result{Findings: c.found}).Prospects(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
