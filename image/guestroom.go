package image

import (
	"context"
	"fmt"

	"qedit/header"
)

// Room is where bytes of the active disk are stored, so that they can be written
// in place.
type Room struct {
	Guest  GuestOffset
	Host   header.HostOffset
	Length uint64 // bytes
}

// RoomError says which byte of the active disk cannot be written in place, and
// why.
type RoomError struct {
	At  GuestOffset
	Why string
}

// Error says which byte, and why.
func (e *RoomError) Error() string { return fmt.Sprintf("guest offset %v: %s", e.At, e.Why) }

// GuestRoom returns where so many bytes of the active disk from an offset on are
// stored, in the order of the disk: they must be stored plainly, and be no one
// else's. The error is a *RoomError, or that of ctx.
func (im *Image) GuestRoom(ctx context.Context, at GuestOffset, n uint64) ([]Room, error) {
	var all []Room
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c := im.Resolve(at, Active)
		if why := im.noRoom(&c, min(n, max(c.Length, 1))); why != "" {
			return nil, &RoomError{at, why}
		}
		r := Room{at, c.Host, min(n, c.Length)}
		all = append(all, r)
		at, n = at+GuestOffset(r.Length), n-r.Length
	}
	return all, nil
}

// NoRoom says why so many bytes of the active disk cannot be written in place
// where an offset is stored, "" where they can.
func (im *Image) NoRoom(at GuestOffset, n uint64) string {
	c := im.Resolve(at, Active)
	return im.noRoom(&c, n)
}

func (im *Image) noRoom(c *Chain, n uint64) string {
	switch c.Kind {
	case GuestData:
	case GuestBroken:
		return "the tables are damaged here: " + c.Problem
	case GuestCompressed:
		return "the cluster is compressed; only clusters stored as they are can be edited"
	case GuestExternal:
		return "the bytes are in the external data file, which is not opened"
	default:
		return "nothing is stored here (" + c.Kind.String() + "); qedit allocates no clusters"
	}
	refcount, err := im.Refcount(uint64(c.Host) / im.ClusterSize())
	switch {
	case im.Encrypted():
		return "the disk is encrypted; its bytes cannot be edited without the key"
	case !c.HasHost || uint64(c.Host)+n > uint64(im.size):
		return "the cluster lies past the end of the file; images do not grow"
	case n > c.Length:
		return "that reaches past the end of the cluster"
	case err != nil:
		return "the refcount cannot be read: " + err.Error()
	case refcount != 1:
		return fmt.Sprintf("the refcount of the cluster is %d, not 1: others may have it", refcount)
	case !c.L2.L2().Copied():
		return "the copied flag is not set: others may have the cluster"
	}
	if l := im.Locate(c.Host); !l.HasGuest || l.Guest != c.Guest || l.Snapshot != Active {
		return "the cluster has another owner: " + l.Path
	}
	return ""
}
