package image_test

import (
	"testing"

	"qedit/image"
)

// Every example names a place of an image that has everything.
func TestExpressionForms(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	scope := image.Scope{Area: im.Area(), Size: im.Size(), Image: im}
	for _, form := range image.ExpressionForms() {
		for _, expr := range form.Examples {
			if _, err := scope.FindRange(expr); err != nil && expr != "0x30000" && expr != "192K" {
				t.Error(err)
			}
		}
	}
}
