package literal_test

import (
	"bytes"
	"testing"

	"qedit/literal"
)

// What other programs print is read.
func TestToolsPrint(t *testing.T) {
	data := append([]byte("QFI\xfb two  spaces | bar"), make([]byte, 100)...)
	data = append(data, "end"...)
	for _, c := range [][]string{{"hexdump", "-C"}, {"xxd"}, {"xxd", "-a"}, {"xxd", "-g1", "-u"}, {"xxd", "-i"}, {"xxd", "-p"}, {"base64"}, {"python3", "-c", "import sys; print(sys.stdin.buffer.read())"}} {
		t.Run(c[0]+c[len(c)-1], func(t *testing.T) {
			text := run(t, string(data), c[0], c[1:]...)
			if r, err := literal.Read(string(text)); err != nil || !bytes.Equal(r.Bytes, data) {
				t.Errorf("%s\nis %s of %q, %v", text, r.What, r.Bytes, err)
			}
		})
	}
}
