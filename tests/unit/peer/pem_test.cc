#include "peer/pem.h"

#include <gtest/gtest.h>

namespace xlb {
namespace {

constexpr char kPlain[] = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\nMBMGByqG\n-----END PRIVATE KEY-----\n";

TEST(PlainKeyPemTest, LeavesOutWhatDockerAdds) {
  EXPECT_EQ(*PlainKeyPem("-----BEGIN PRIVATE KEY-----\nkek-version: 0\nraft-dek: EiCj6SGz+/tA==\n\nMIGHAgEA\nMBMGByqG\n"
                         "-----END PRIVATE KEY-----\n"),
            kPlain);
}

TEST(PlainKeyPemTest, TakesAPlainKeyAsItIs) {
  EXPECT_EQ(*PlainKeyPem(kPlain), kPlain);
  EXPECT_EQ(*PlainKeyPem("-----BEGIN EC PRIVATE KEY-----\r\nMIGH\r\n-----END EC PRIVATE KEY-----"),
            "-----BEGIN EC PRIVATE KEY-----\nMIGH\n-----END EC PRIVATE KEY-----\n");
  EXPECT_EQ(*PlainKeyPem(std::string("words\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n") + kPlain),
            kPlain);
}

TEST(PlainKeyPemTest, SaysThatAKeyIsEncrypted) {
  for (const char* text :
       {"-----BEGIN ENCRYPTED PRIVATE KEY-----\nkek-version: 15\n\nMIHD\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIHD\n"
        "-----END EC PRIVATE KEY-----\n"}) {
    const auto key = PlainKeyPem(text);
    EXPECT_TRUE(absl::IsFailedPrecondition(key.status())) << key.status();
    EXPECT_NE(key.status().message().find("autolock"), std::string_view::npos);
  }
}

// The version counts how often the swarm was locked: after an unlocking it stays above 0.
TEST(PlainKeyPemTest, AKeyThatWasEncryptedOnceIsAKey) {
  EXPECT_EQ(
      *PlainKeyPem("-----BEGIN PRIVATE KEY-----\nkek-version: 15\n\nMIGHAgEA\nMBMGByqG\n-----END PRIVATE KEY-----\n"),
      kPlain);
}

TEST(PlainKeyPemTest, RefusesWhatIsNoKey) {
  for (const char* text :
       {"", "\n", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIGH\n", "-----BEGIN PRIVATE KEY\nMIGH\n-----END PUBLIC KEY-----\n"}) {
    EXPECT_TRUE(absl::IsDataLoss(PlainKeyPem(text).status())) << text;
  }
}

}  // namespace
}  // namespace xlb
