package image
type ownerHint struct{}
