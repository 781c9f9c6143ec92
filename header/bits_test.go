package header_test

import (
	"os"
	"strings"
	"testing"

	"qedit/header"
)

// Any bit of a mask can be named by its number, set and cleared.
func TestBitsByNumber(t *testing.T) {
	buf, err := os.ReadFile("../testdata/images/plain.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ path, node, mask, value string }{
		{"incompatible_features[0]", "dirty", "incompatible_features", "1"},
		{"incompatible[1]", "corrupt", "incompatible_features", "2"},
		{"header.compatible[0]", "lazy_refcounts", "compatible_features", "1"},
		{"compatible[40]", "compatible_features[40]", "compatible_features", "1099511627776"},
		{"autoclear_features[63]", "autoclear_features[63]", "autoclear_features", "9223372036854775808"},
	} {
		d := header.NewDraft(buf[:4096])
		if n := d.Area().Lookup(c.path); n == nil || n.Path != c.node {
			t.Errorf("%s: %v", c.path, n)
			continue
		}
		for _, step := range []struct{ text, bit, mask string }{{"on", "on", c.value}, {"off", "off", "0"}} {
			if err := d.Set(c.path, step.text); err != nil {
				t.Fatal(c.path, err)
			}
			bit, _ := d.Area().Get(c.path)
			mask, _ := d.Area().Get(c.mask)
			if bit != step.bit || mask != step.mask {
				t.Errorf("%s=%s: %s, %s is %s", c.path, step.text, bit, c.mask, mask)
			}
		}
	}
	a := header.NewArea(buf[:4096])
	for _, path := range []string{"incompatible[64]", "incompatible[-1]", "incompatible[1", "size[1]", "incompatible[1].x", "[3]"} {
		if n := a.Lookup(path); n != nil {
			t.Errorf("%s is %s", path, n.Path)
		}
		if _, err := a.Get(path); err == nil {
			t.Errorf("%s has a value", path)
		}
	}

	v2, err := os.ReadFile("../testdata/images/v2.qcow2")
	if err != nil {
		t.Fatal(err)
	}
	d := header.NewDraft(v2[:4096])
	if got, err := d.Area().Get("incompatible[3]"); got != "off" || err != nil {
		t.Error(got, err)
	}
	if err := d.Set("incompatible[3]", "on"); err == nil || !strings.Contains(err.Error(), "needs version 3") {
		t.Error(err)
	}
}
