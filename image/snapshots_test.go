package image_test

import (
	"os"
	"testing"

	"qedit/image"
)

// sample returns an image of the test data as one in memory.
func sample(t testing.TB, name string) (*image.Image, []byte) {
	t.Helper()
	buf, err := os.ReadFile("../testdata/images/" + name + ".qcow2")
	if err != nil {
		t.Fatal(err)
	}
	return inMemory(t, buf), buf
}

func TestSnapshotsOfSample(t *testing.T) {
	im, _ := sample(t, "full")
	all, err := im.Snapshots()
	if err != nil || len(all) != 1 {
		t.Fatalf("%+v, %v", all, err)
	}
	s := all[0]
	if s.ID != "1" || s.Name == "" || s.L1TableOffset == 0 || s.L1Size == 0 || s.ExtraDataSize < 16 || s.DiskSize == 0 || s.DateSec == 0 {
		t.Errorf("%+v", s)
	}
	bitmaps, err := im.Bitmaps()
	if err != nil || len(bitmaps) != 1 {
		t.Fatalf("%+v, %v", bitmaps, err)
	}
	b := bitmaps[0]
	if b.Name == "" || b.Type != image.BitmapDirty || b.GranularityBits != 13 || b.TableOffset == 0 || b.TableSize != 1 || b.Flags.Unknown() != 0 {
		t.Errorf("%+v", b)
	}
}
