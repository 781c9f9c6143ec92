package image_test
import ("testing";"math/rand/v2";"qedit/image")
func checkRefcounts(t testing.TB, im *image.Image) {}
func checkLocate(t testing.TB, im *image.Image, r *rand.Rand) {}
