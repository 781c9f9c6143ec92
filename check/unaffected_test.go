package check

import (
	"bytes"
	"reflect"
	"slices"
	"testing"

	"qedit/header"
)

// unmended returns the findings without their fixes, which are functions.
func unmended(r *Result) []Finding {
	all := slices.Clone(r.Findings)
	for i := range all {
		all[i].Fixes = nil
	}
	return all
}

// Changing any byte that Unaffected lets pass changes nothing in the result;
// data clusters and those that nothing points at are among them.
func TestUnaffected(t *testing.T) {
	for _, damage := range []func(testImage){
		func(testImage) {},
		func(s testImage) { s.set(3, 0, 4*testCluster+512|entryCopied) },
		func(s testImage) { s.entry(3, 1, 4, true) },
	} {
		image := append(newTestImage(), make([]byte, 3*testCluster)...)
		damage(image)
		r := runOn(t, image)
		passed := 0
		for at := 0; at < len(image); at += 97 {
			if !r.Unaffected(header.HostOffset(at), 1) {
				continue
			}
			passed++
			changed := bytes.Clone(image)
			changed[at] ^= 0x55
			now := runOn(t, changed)
			if now.QEMU != r.QEMU || !reflect.DeepEqual(unmended(now), unmended(r)) {
				t.Errorf("byte 0x%x matters", at)
			}
		}
		if passed < len(image)/97/3 {
			t.Errorf("%d of %d bytes do not matter", passed, len(image)/97)
		}
	}
	image := newTestImage()
	r := runOn(t, image)
	for _, test := range []struct {
		at, length uint64
		want       bool
	}{
		{6 * testCluster, 2 * testCluster, true},
		{6 * testCluster, 4*testCluster + 1, false}, // up to the snapshot table
		{5*testCluster - 1, 1, false},
		{6*testCluster - 1, 2, false},
		{3 * testCluster, 0, true},
		{uint64(len(image)), 1, false},
		{1 << 63, 1 << 63, false},
	} {
		if got := r.Unaffected(header.HostOffset(test.at), test.length); got != test.want {
			t.Errorf("0x%x+%d: %v", test.at, test.length, got)
		}
	}
}
