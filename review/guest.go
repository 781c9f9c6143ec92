package review

import (
	"cmp"
	"context"
	"slices"

	"qedit/editor"
	"qedit/image"
)

// GuestPieces returns where bytes go that are to stand at a guest offset of the
// active disk, by rising host offset. Its errors are those of image.GuestRoom.
func GuestPieces(ctx context.Context, im *image.Image, at image.GuestOffset, data []byte) ([]editor.Piece, error) {
	rooms, err := im.GuestRoom(ctx, at, uint64(len(data)))
	if err != nil {
		return nil, err
	}
	pieces := make([]editor.Piece, len(rooms))
	for i, room := range rooms {
		pieces[i] = editor.Piece{Offset: room.Host, Bytes: data[:room.Length]}
		data = data[room.Length:]
	}
	slices.SortFunc(pieces, func(a, b editor.Piece) int { return cmp.Compare(a.Offset, b.Offset) })
	return pieces, nil
}
