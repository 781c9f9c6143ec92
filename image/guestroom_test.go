package image_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"qedit/image"
)

// Bytes of the disk have room where they are stored plainly, cluster by cluster.
func TestGuestRoom(t *testing.T) {
	im := open(t, "../testdata/images/full.qcow2")
	rooms, err := im.GuestRoom(context.Background(), 64<<10+8000, 400)
	if err != nil || len(rooms) != 2 || rooms[0] != (image.Room{Guest: 64<<10 + 8000, Host: 0x26000 + 8000, Length: 192}) || rooms[1] != (image.Room{Guest: 72 << 10, Host: 0x28000, Length: 208}) {
		t.Errorf("%+v, %v", rooms, err)
	}
	for at, want := range map[image.GuestOffset]string{0: "refcount of the cluster is 2", 128 << 10: "qedit allocates no clusters", 1 << 40: ""} {
		_, err := im.GuestRoom(context.Background(), at, 4)
		var e *image.RoomError
		if !errors.As(err, &e) || e.At != at || !strings.Contains(e.Why, want) {
			t.Errorf("%v: %v", at, err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := im.GuestRoom(ctx, 0, 4); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	im = open(t, "../testdata/images/external.qcow2")
	if why := im.NoRoom(0, 1); why == "" {
		t.Error("there is room in a file that is not opened")
	}
}

func TestNamedFiles(t *testing.T) {
	im := open(t, "../testdata/images/overlay.qcow2")
	files := image.NamedFiles(im.Area().Header, "some/overlay.qcow2")
	if len(files) != 2 || files[1] != "some/"+files[0] {
		t.Errorf("%q", files)
	}
}
