package image_test

import (
	"bytes"
	"testing"

	"qedit/header"
	"qedit/image"
)

// inMemory returns the image that these bytes are.
func inMemory(t testing.TB, buf []byte) *image.Image {
	t.Helper()
	im, err := image.New(bytes.NewReader(buf), int64(len(buf)), header.NewArea(buf[:min(len(buf), header.MaxClusterSize)]))
	if err != nil {
		t.Fatal(err)
	}
	return im
}
