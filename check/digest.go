package check

import "crypto/sha256"

// digest stands for a text from an image. Texts may be long, and many: they are
// compared by it, and not kept.
type digest [16]byte

func digestOf(s string) (d digest) {
	sum := sha256.Sum256([]byte(s))
	copy(d[:], sum[:])
	return d
}
