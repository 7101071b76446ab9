// An HTTP request and its response as plain data, so that what answers requests knows no socket.
#ifndef XLB_CONTROL_HTTP_H_
#define XLB_CONTROL_HTTP_H_

#include <chrono>
#include <functional>
#include <string>

namespace xlb {

struct HttpRequest {
  std::string method;  // "GET"
  std::string target;  // "/v1/flows?limit=10", as it came
  std::string body;
  std::chrono::milliseconds waited{0};  // how long the server has been holding this request, see HttpResponse::pending
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  // Long poll: there is nothing to say yet. The server keeps the request and asks the handler again, a little later and
  // with a larger `waited`, until it gets a response that is not pending.
  bool pending = false;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

}  // namespace xlb

#endif  // XLB_CONTROL_HTTP_H_
