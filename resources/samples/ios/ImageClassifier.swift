// Classify photographs with a model of the export, in an app for iOS or macOS.
//
// Needs the Swift package github.com/microsoft/onnxruntime-swift-package-manager, and the model and labels.txt among
// the app's resources. Use it outside the main thread:
//
//     let classifier = try ImageClassifier()
//     let best = try classifier.classify(photograph).first
//
// model.onnx, model_int8.onnx and .ort files take images of any size. For model_fixed.onnx put export.json among the
// resources too: ImageClassifier(model: "model_fixed", record: "export"). `Fitting` then crops and resizes as model.onnx
// does; other ways of scaling an image give other classes.

import CoreGraphics
import Foundation
import OnnxRuntimeBindings

struct Answer {
    let className: String
    let probability: Float
}

enum ClassifierError: Error {
    case missing(String)
    case unreadable
}

final class ImageClassifier {
    private let environment: ORTEnv
    private let session: ORTSession
    private let classNames: [String]
    private let fitting: Fitting?

    init(model: String = "model", type: String = "onnx", record: String? = nil, in bundle: Bundle = .main) throws {
        guard let path = bundle.path(forResource: model, ofType: type) else {
            throw ClassifierError.missing("\(model).\(type)")
        }
        guard let labels = bundle.path(forResource: "labels", ofType: "txt") else {
            throw ClassifierError.missing("labels.txt")
        }
        classNames = try String(contentsOfFile: labels, encoding: .utf8)
            .split(separator: "\n").map(String.init)
        fitting = try record.map { name in
            guard let file = bundle.url(forResource: name, withExtension: "json") else {
                throw ClassifierError.missing("\(name).json")
            }
            return try JSONDecoder().decode(Record.self, from: Data(contentsOf: file)).preprocessing
        }
        environment = try ORTEnv(loggingLevel: ORTLoggingLevel.warning)
        session = try ORTSession(env: environment, modelPath: path, sessionOptions: ORTSessionOptions())
    }

    /// Returns all classes of an upright photograph, the most probable first.
    /// (A UIImage's `cgImage` is as the camera was held: draw it first, or turn it by its `imageOrientation`.)
    func classify(_ photograph: CGImage) throws -> [Answer] {
        var bytes = try rgb(photograph)
        var size = (height: photograph.height, width: photograph.width)
        if let fitting = fitting {
            bytes = Data(fitting.fit([UInt8](bytes), height: size.height, width: size.width))
            size = (fitting.height, fitting.width)
        }
        let shape = [1, size.height, size.width, 3].map { NSNumber(value: $0) }
        let image = try ORTValue(
            tensorData: NSMutableData(data: bytes), elementType: ORTTensorElementDataType.uInt8, shape: shape)
        let results = try session.run(
            withInputs: ["image": image], outputNames: ["probabilities"], runOptions: nil)
        guard let output = results["probabilities"] else { throw ClassifierError.missing("probabilities") }
        let stored = Data(referencing: try output.tensorData())
        let probabilities = stored.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        return zip(classNames, probabilities)
            .map { Answer(className: $0, probability: $1) }
            .sorted { $0.probability > $1.probability }
    }

    /// Returns red, green and blue of each pixel, transparent parts on white.
    private func rgb(_ image: CGImage) throws -> Data {
        let width = image.width, height = image.height
        // Its own colours as they are stored, where they are red, green and blue.
        let own = image.colorSpace.flatMap { $0.model == .rgb ? $0 : nil }
        var stored = [UInt8](repeating: 255, count: 4 * width * height)
        let isDrawn = stored.withUnsafeMutableBytes { memory -> Bool in
            guard
                let context = CGContext(
                    data: memory.baseAddress, width: width, height: height, bitsPerComponent: 8,
                    bytesPerRow: 4 * width, space: own ?? CGColorSpaceCreateDeviceRGB(),
                    bitmapInfo: CGImageAlphaInfo.noneSkipLast.rawValue)
            else { return false }
            context.setFillColor(red: 1, green: 1, blue: 1, alpha: 1)
            let whole = CGRect(x: 0, y: 0, width: width, height: height)
            context.fill(whole)
            context.draw(image, in: whole)
            return true
        }
        guard isDrawn else { throw ClassifierError.unreadable }
        var bytes = Data(capacity: 3 * width * height)
        for pixel in stride(from: 0, to: stored.count, by: 4) {
            bytes.append(contentsOf: stored[pixel..<pixel + 3])
        }
        return bytes
    }
}

/// What export.json says of the preparation.
struct Record: Decodable {
    let preprocessing: Fitting
}

/// Cuts out what the model sees, the largest box of its aspect ratio, and resizes it with antialiasing.
///
/// The bytes are those of model.onnx before it normalises them, rounded.
struct Fitting: Decodable {
    let height: Int
    let width: Int
    let region: [Int]  // left, top, right and bottom in thousandths of the sides
    let cropShare: Double
    let interpolation: String

    enum CodingKeys: String, CodingKey {
        case height, width, region, interpolation
        case cropShare = "crop_share"
    }

    /// Returns red, green and blue of each pixel of the result, from those of an image.
    func fit(_ image: [UInt8], height imageHeight: Int, width imageWidth: Int) -> [UInt8] {
        let regionX = imageWidth * region[0] / 1000
        let regionY = imageHeight * region[1] / 1000
        let regionWidth = max(1, imageWidth * region[2] / 1000 - regionX)
        let regionHeight = max(1, imageHeight * region[3] / 1000 - regionY)
        let common = divisor(height, width)
        let high = height / common  // the aspect ratio
        let wide = width / common
        let extent = min(regionHeight * wide, regionWidth * high)
        let permille = Int((cropShare * 1000).rounded())
        let boxHeight = max(1, (2 * extent * permille + 1000 * wide) / (2000 * wide))
        let boxWidth = max(1, (2 * extent * permille + 1000 * high) / (2000 * high))
        let left = regionX + (regionWidth - boxWidth) / 2
        let top = regionY + (regionHeight - boxHeight) / 2
        let columns = windows(boxWidth, width)
        let rows = windows(boxHeight, height)

        var narrow = [Float](repeating: 0, count: boxHeight * width * 3)  // as high as the box, as wide as the result
        for y in 0..<boxHeight {
            let line = 3 * ((top + y) * imageWidth + left)
            for x in 0..<width {
                let window = columns[x]
                for colour in 0..<3 {
                    var sum: Float = 0
                    for i in window.weights.indices {
                        sum += window.weights[i] * Float(image[line + 3 * (window.first + i) + colour])
                    }
                    narrow[3 * (y * width + x) + colour] = sum
                }
            }
        }
        var found = [UInt8]()
        found.reserveCapacity(3 * width * height)
        for window in rows {
            for x in 0..<3 * width {
                var sum: Float = 0
                for i in window.weights.indices {
                    sum += window.weights[i] * narrow[(window.first + i) * 3 * width + x]
                }
                found.append(UInt8(min(255, max(0, sum.rounded()))))
            }
        }
        return found
    }

    /// Returns the pixels that each pixel of the result is a mean of: weights from `first` on; they sum to one.
    private func windows(_ side: Int, _ size: Int) -> [(first: Int, weights: [Float])] {
        let scale = Double(side) / Double(size)
        let spread = max(scale, 1)
        let reach = spread * (interpolation == "bicubic" ? 2 : 1)
        return (0..<size).map { place in
            let centre = (Double(place) + 0.5) * scale
            let first = max(0, Int((centre - reach).rounded(.down)))
            let end = min(side, Int((centre + reach).rounded(.up)))
            let raw = (first..<end).map { filter(abs(Double($0) + 0.5 - centre) / spread) }
            let sum = raw.reduce(0, +)
            return (first, raw.map { Float($0 / sum) })
        }
    }

    /// A triangle, or Keys' cubic with a = -1/2.
    private func filter(_ x: Double) -> Double {
        if interpolation != "bicubic" { return max(0, 1 - x) }
        if x < 1 { return (1.5 * x - 2.5) * x * x + 1 }
        return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0
    }

    private func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
}
